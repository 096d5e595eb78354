"""What sets a checkout up and checks it: preflight, house rules, the wheel tried in a fresh environment."""
