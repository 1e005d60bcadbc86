"""``callpoint demo``: a whole terminal with a parrot to talk to, shown in the shell."""
