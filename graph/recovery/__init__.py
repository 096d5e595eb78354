"""What people do by links that were mailed to them: verify an address, choose a new password."""
