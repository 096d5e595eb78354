"""Single sign-on: who an account is at an OpenID provider, and sessions that end with the provider's word.

Expand only. The version before knows neither; a session by single sign-on that it refreshes is given more time, which
this version does not grant: it looks at `ends_at`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_identities_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.execute("ALTER TABLE identities ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE identities FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system ON identities TO karyaksham_system USING (true) WITH CHECK (true)")
    op.add_column("sessions", sa.Column("issuer", sa.String(), nullable=True))
    op.add_column("sessions", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "ends_at")
    op.drop_column("sessions", "issuer")
    op.drop_table("identities")
