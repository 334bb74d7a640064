"""The program: it wires the model, the compiler, the protocol and the senses together, serves and operates."""
