"""The fault suite: jobs with known answers under a seeded schedule of faults (`make faults`)."""
