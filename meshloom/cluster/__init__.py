"""What the program does in a Kubernetes cluster: it leads or follows, writes statuses, and asks who somebody is."""
