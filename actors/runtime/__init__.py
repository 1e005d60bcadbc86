"""What all processes of a terminal have in common: the bus, the actor and its shell."""
