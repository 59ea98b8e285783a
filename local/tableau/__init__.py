"""A Tableau Server of our own: the part of its REST API that publishing speaks, and a page of what was published."""
