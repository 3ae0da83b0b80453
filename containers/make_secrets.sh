#!/bin/sh
# Makes the passwords and keys that docker-compose.yml reads, once: the folder secrets/, and .env, which names it.
# Needs nothing but a shell, so that a machine with Docker alone can start. Another folder than the checkout: give it.
set -eu
cd "${1:-$(dirname "$0")/..}"

if [ -d secrets ]; then
    echo "secrets/ is there already: nothing was changed."
    echo "  -> for new ones, remove it together with the volumes, whose databases know the old passwords:"
    echo "     docker compose down --volumes && rm -r secrets && make secrets"
    exit 0
fi

# Hexadecimal needs no quoting in a URL, in JSON or in a service file.
random() { od -An -vtx1 -N"$1" /dev/urandom | tr -d ' \n'; }

umask 077
rm -rf secrets.new
mkdir secrets.new
cd secrets.new

metadata=$(random 24) warehouse=$(random 24) writer=$(random 24) finance=$(random 24) platform=$(random 24)
reader=$(random 24) redis=$(random 24) store=$(random 24) sandbox=sk_test_$(random 16)

printf %s "$metadata" > metadata_password
printf %s "$warehouse" > warehouse_password
printf %s "$redis" > redis_password
printf %s "redis://:$redis@redis:6379/0" > broker_url
printf %s "$sandbox" > sandbox_key
printf %s "$(random 48)" > jwt_secret
printf %s "$(random 24)" > api_secret_key
# Fernet wants 32 bytes in base64 of the kind for URLs.
head -c 32 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_' > fernet_key

cat > airflow_passwords.json <<END
{"admin": "$(random 9)", "op": "$(random 9)", "user": "$(random 9)", "viewer": "$(random 9)"}
END

# What Airflow and the evbilling command may do: no superuser among them.
cat > pg_service.conf <<END
[metadata]
user=airflow
password=$metadata
[warehouse]
user=evbilling_writer
password=$writer
[finance]
user=finance_reader
password=$finance
END

# For the one-shots that make databases and roles.
cat > pg_service_setup.conf <<END
[warehouse_admin]
user=postgres
password=$warehouse
[platform]
user=platform
password=$platform
[charging_platform]
user=platform_reader
password=$reader
[warehouse]
user=evbilling_writer
password=$writer
[finance]
user=finance_reader
password=$finance
END

# The product's connections, as the README describes them: put your own in here.
cat > connections.json <<END
{
  "charging_platform": {
    "conn_type": "postgres", "host": "warehouse", "port": 5432, "schema": "platform",
    "login": "platform_reader", "password": "$reader"
  },
  "warehouse": {
    "conn_type": "postgres", "host": "warehouse", "port": 5432, "schema": "warehouse",
    "login": "evbilling_writer", "password": "$writer"
  },
  "evidence": {
    "conn_type": "aws", "login": "evbilling", "password": "$store",
    "extra": {"url": "s3://evbilling/evidence", "endpoint_url": "http://s3:8333"}
  },
  "payment_gateway": {
    "conn_type": "http", "host": "http://sandbox", "port": 12111, "password": "$sandbox",
    "extra": {"rate_per_second": 50}
  },
  "smtp": {
    "conn_type": "smtp", "host": "mail", "port": 1025,
    "extra": {"from_email": "billing@evbilling.example", "disable_ssl": true, "disable_tls": true}
  },
  "alerts": {
    "conn_type": "generic",
    "extra": {"mail_to": "operations@evbilling.example"}
  }
}
END

cat > s3.json <<END
{"identities": [{
  "name": "evbilling",
  "credentials": [{"accessKey": "evbilling", "secretKey": "$store"}],
  "actions": ["Admin", "Read", "Write", "List"]
}]}
END

# Compose hands files into containers with the host's owner and mode, and the users in there are others. The folder
# keeps other users of this machine out.
chmod 444 ./*
chmod 644 connections.json
cd ..
mv secrets.new secrets
if ! grep -qs '^EVBILLING_SECRETS=' .env; then
    echo "EVBILLING_SECRETS=./secrets" >> .env
fi
echo "Made secrets/ and .env. Airflow's logins are in secrets/airflow_passwords.json."
echo "  -> docker compose up"
