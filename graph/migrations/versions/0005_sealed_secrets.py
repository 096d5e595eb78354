"""Webhooks' secrets are sealed, and the one before signs for a while beside its successor.

Expand only. Secrets that stand in the open stay until a worker of the new version, which has the key, seals them. A
worker of the version before cannot sign for a webhook made or sealed meanwhile: its attempt breaks, and a worker of
this version makes the next one a minute later.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("webhooks", "secret", existing_type=sa.LargeBinary(), nullable=True)
    op.add_column("webhooks", sa.Column("secret_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_secret_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("webhooks", sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    # what is sealed cannot be opened here: those receivers are made anew
    # (FORCE hides the rows from the owner too)
    op.execute("ALTER TABLE webhooks NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM webhooks WHERE secret IS NULL")
    op.execute("ALTER TABLE webhooks FORCE ROW LEVEL SECURITY")
    op.drop_column("webhooks", "previous_secret_until")
    op.drop_column("webhooks", "previous_secret_sealed")
    op.drop_column("webhooks", "secret_sealed")
    op.alter_column("webhooks", "secret", existing_type=sa.LargeBinary(), nullable=False)
