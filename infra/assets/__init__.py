"""What the pages load that is not ours."""
