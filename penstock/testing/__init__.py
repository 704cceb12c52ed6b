"""What tests of agents and of penstock itself stand on."""
