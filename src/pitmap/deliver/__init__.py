"""Files for other programs: what is made from results and for somebody else."""
