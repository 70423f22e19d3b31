"""Journal, outcomes and the versions of the demographics."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("answered_at", moment, nullable=False),
        sa.Column("subject", sa.String(200)),
        sa.Column("endpoint", sa.String(16), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("variant", sa.String(16), nullable=False),
        sa.Column("valuation_date", sa.Date, nullable=False),
        sa.Column("zipcode", sa.String(5), nullable=False),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("price", sa.Float, nullable=False),
        sa.Column("low", sa.Float, nullable=False),
        sa.Column("high", sa.Float, nullable=False),
        sa.Column("interval", sa.Float, nullable=False),
        sa.Column("fsd", sa.Float, nullable=False),
        sa.Column("confidence", sa.String(8), nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("duration_ms", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_predictions"),
    )
    op.create_index("ix_predictions_answered_at", "predictions", ["answered_at"])
    op.create_table(
        "outcomes",
        sa.Column("prediction_id", sa.String(36), nullable=False),
        sa.Column("sale_price", sa.Float, nullable=False),
        sa.Column("sale_date", sa.Date, nullable=False),
        sa.Column("reported_at", moment, nullable=False),
        sa.Column("subject", sa.String(200)),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_outcomes"),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["predictions.id"], name="fk_outcomes_prediction_id"
        ),
    )
    op.create_index("ix_outcomes_reported_at", "outcomes", ["reported_at"])
    op.create_table(
        "demographics_versions",
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("loaded_at", moment, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_demographics_versions"),
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE IF EXISTS demographics")
    op.drop_table("demographics_versions")
    op.drop_table("outcomes")
    op.drop_table("predictions")
