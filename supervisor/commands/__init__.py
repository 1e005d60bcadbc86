"""What an operator types: one module for each command, loaded only when it is the one."""
