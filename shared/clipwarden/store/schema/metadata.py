"""All tables together, and which releases work with them."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The oldest revision whose code works with this schema: one row, which migrations raise that take something away.
schema_floor = sa.Table("schema_floor", metadata, sa.Column("revision", sa.Text, primary_key=True))
