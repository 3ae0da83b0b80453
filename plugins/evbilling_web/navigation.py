"""The pages of the navigation, Airflow's and our own: address below the app, and name."""

NAVIGATION = (
    ("/statements", "Driver Statements"),
    ("/months", "Months"),
    ("/accounts", "Account Billing"),
    ("/mail", "Mail"),
)
