"""When a failed statement is tried again: decline classes, the planner, the plans kept in the warehouse."""
