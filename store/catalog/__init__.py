"""What there is: accounts ▸ databases ▸ tables, their columns, and what was decided about them."""
