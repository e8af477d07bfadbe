"""What commands of agents may reach of the machine, and how that is enforced."""
