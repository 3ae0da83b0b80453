"""What the services of docker-compose.yml run besides Airflow itself: the set-up, the demo, the health checks."""
