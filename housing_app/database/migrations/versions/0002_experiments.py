"""The arm of an experiment that a prediction was of; what shadow models would say."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three columns, which no row is rewritten for, and a table."""
    op.add_column("predictions", sa.Column("experiment", sa.String(130)))
    op.add_column("predictions", sa.Column("arm", sa.String(16)))
    op.add_column("predictions", sa.Column("client", sa.String(16)))
    op.create_table(
        "shadow_valuations",
        sa.Column("prediction_id", sa.String(36), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("price", sa.Float, nullable=False),
        sa.Column("low", sa.Float, nullable=False),
        sa.Column("high", sa.Float, nullable=False),
        sa.Column("valued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "prediction_id", "model", "version", name="pk_shadow_valuations"
        ),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("shadow_valuations")
    # Not in a batch, which would copy the table below the outcomes that refer to it.
    op.drop_column("predictions", "client")
    op.drop_column("predictions", "arm")
    op.drop_column("predictions", "experiment")
