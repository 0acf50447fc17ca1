"""Every column that item.json has a field for, and the lists of an item.

Revision 0002. The rows that are there keep their old derivation_version, with the new columns unset
and the lists empty, until the migration job has derived them anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXTS = """
    organization_type_id organization_name performance_task writing_purpose test_category
    scoring_engine maximum_points allow_calculator pencil_paper state_specific_use
    state_specific_use_description primary_content_domain primary_common_core_standard
    secondary_claim secondary_target secondary_content_domain secondary_common_core_standard
    tertiary_claim tertiary_target tertiary_content_domain tertiary_common_core_standard
    quaternary_claim quaternary_target quaternary_content_domain quaternary_common_core_standard
    asl_required braille_required cc_required translation_required visual_tts_required
    illustrated_glossary_required translated_glossary_required
    current_update_need_internal_resolution current_update_need_resolution assigned_to
"""
TEXTS_OR_NULL = """
    primary_enhanced_id secondary_enhanced_id tertiary_enhanced_id quaternary_enhanced_id
"""
COUNTS = """
    english_passages_count spanish_passages_count
"""
FLAGS = """
    asl_provided braille_provided cc_provided translation_provided visual_tts_provided
    sight_tts_provided english_glossary_provided illustrated_glossary_provided
    translated_glossary_provided unresolved_update_need
"""
TIMESTAMPS = """
    current_update_need_create_date current_update_need_internal_resolution_date
    current_update_need_resolution_date
"""


def upgrade() -> None:
    """Add the columns, whose default says unset, and the tables."""
    # One by one, and not in a batch: a batch would copy the table and drop the old one, with which
    # all that refers to it would go.
    for name in TEXTS.split():
        _add(sa.Column(name, sa.Text(), server_default="", nullable=False))
    for name in TEXTS_OR_NULL.split():
        _add(sa.Column(name, sa.Text(), nullable=True))
    for name in COUNTS.split():
        _add(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    for name in FLAGS.split():
        _add(sa.Column(name, sa.Boolean(), server_default=sa.text("0"), nullable=False))
    for name in TIMESTAMPS.split():
        _add(sa.Column(name, sa.DateTime(), nullable=True))
    _lists()


def _add(column: sa.Column[object]) -> None:
    op.add_column("item", column)


def _lists() -> None:
    _list(
        "item_form",
        sa.Column("administration_id", sa.Text(), nullable=False),
        sa.Column("form_id", sa.Text(), nullable=False),
        sa.Column("form_type", sa.Text(), nullable=False),
        sa.Column("assessment_type", sa.Text(), nullable=False),
        sa.Column("exposures", sa.BigInteger(), nullable=True),
    )
    _list(
        "item_content_update_need",
        sa.Column("content_update_need_create_date", sa.DateTime(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("resolution_date", sa.DateTime(), nullable=True),
        sa.Column("resolution_notes", sa.Text(), nullable=False),
        sa.Column("internal_resolution", sa.Text(), nullable=False),
        sa.Column("internal_resolution_date", sa.DateTime(), nullable=True),
    )
    _list(
        "item_assignment",
        sa.Column("assigned_to", sa.Text(), nullable=False),
        sa.Column("assigned_by", sa.Text(), nullable=False),
        sa.Column("assigned_date", sa.DateTime(), nullable=True),
    )


def _list(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column(
            f"{name}_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("item_key", sa.BigInteger(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["item_key"], ["item.key"], name=f"fk_{name}_item_key_item", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(f"{name}_id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_item_key", name, ["item_key"], unique=False)
