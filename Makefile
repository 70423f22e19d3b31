# Needs Python 3.11 or later and make; no root, no services.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test mlflow lint operate-check sbom fuzz bench bench-peers \
	bench-quick spark lifecycle blue-green-demo recovery-drill examples model requirements clean

VENV := .venv
PY := $(VENV)/bin/python
PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
RUNTIME := $(VENV)/requirements.txt
DEV := $(VENV)/requirements-dev.txt
MLFLOW := build/mlflow
SPARK := build/spark

# Where the system has no OpenMP runtime, scikit-learn's copy serves LightGBM.
OPENMP := $(VENV)/openmp
WITH_OPENMP = if [ -d $(OPENMP) ]; then export \
	LD_LIBRARY_PATH="$(CURDIR)/$(OPENMP)$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}"; fi;

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

# Each server has a metrics directory named after its process (`exec` keeps the number),
# so two can run side by side; those of ended servers are removed here. Not `python -m
# gunicorn`: after USR2 that would find gunicorn's own `http` before Python's.
run: $(RUNTIME) ## Serve on 127.0.0.1:8000 (settings from the environment: PORT, WORKERS …)
	@for old in instance/metrics/*; do \
		kill -0 "$${old##*/}" 2>/dev/null || rm -rf "$$old"; \
	done; \
	PROMETHEUS_MULTIPROC_DIR="$$PWD/instance/metrics/$$$$"; \
	export PROMETHEUS_MULTIPROC_DIR; \
	rm -rf "$$PROMETHEUS_MULTIPROC_DIR" && mkdir -p "$$PROMETHEUS_MULTIPROC_DIR" || exit; \
	$(WITH_OPENMP) \
	exec $(VENV)/bin/gunicorn --config gunicorn.conf.py

test: $(DEV) ## Run every test (ARGS='-k pins' for some)
	@$(WITH_OPENMP) $(PY) -m pytest $(ARGS)

# It asks for other versions than we do, so it has an environment of its own.
mlflow: $(MLFLOW)/requirements-mlflow-server.txt ## Install an MLflow server, for its tests

# What the secret scan shall not take for secrets: SHA-256 sums of files.
NOT_SECRET := (sha256:|"[a-z0-9_.]+": ")[0-9a-f]{64}
lint: $(DEV) ## Check style, types, import rules, security, secrets, the Dockerfile
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/bandit --quiet --recursive housing_app wsgi.py gunicorn.conf.py \
		deploy examples
	git ls-files -z --cached --others --exclude-standard | xargs -0 \
		$(VENV)/bin/detect-secrets-hook --no-verify --exclude-lines '$(NOT_SECRET)'
	$(VENV)/bin/hadolint Dockerfile

# As tests, which also plant faults: a validator that finds none may see none. With CI=true
# one that is missing is a failure.
CHECKS := nginx_conf compose kubernetes istio cloudformation image alerts promql cluster
operate-check: $(DEV) ## Validate all of deploy/ and the Dockerfile (a minute)
	$(VENV)/bin/hadolint Dockerfile
	promtool check config deploy/prometheus/prometheus.yml
	@$(WITH_OPENMP) CI=true $(PY) -m pytest $(CHECKS:%=tests/deploy/test_%.py)

sbom: $(DEV) ## Write build/sbom.json: what the image installs, as CycloneDX
	@mkdir -p build
	$(VENV)/bin/cyclonedx-py requirements requirements.txt --output-reproducible \
		--validate --output-file build/sbom.json

SECONDS := 600
fuzz: $(DEV) ## Look for bodies that break the parser (SECONDS=600; not in CI)
	@$(WITH_OPENMP) $(PY) tests/fuzz/fuzz_requests.py --seconds $(SECONDS)

BENCH := micro load startup memory scale bulk
bench: $(DEV) ## Measure the service and write benchmarks/README.md (a quarter of an hour)
	@$(WITH_OPENMP) for each in $(BENCH); do \
		$(PY) benchmarks/$$each.py || exit; done
	@$(PY) benchmarks/report.py

bench-peers: $(DEV) ## Measure other servers beside it (SALES=file.csv; first installs them)
	@$(WITH_OPENMP) $(PY) benchmarks/peers.py $(if $(SALES),--sales "$(SALES)")
	@$(PY) benchmarks/report.py

bench-quick: $(DEV) ## Add this commit to benchmarks/history.csv (under a minute)
	@$(WITH_OPENMP) $(PY) benchmarks/quick.py

# Not in `make test`: it needs a Java, and an environment of 800 MB of its own.
spark: $(DEV) $(SPARK)/requirements.txt ## Score with a real Spark and compare (needs Java)
	@$(WITH_OPENMP) $(PY) tests/batch/spark_run.py --python $(SPARK)/bin/python

lifecycle: $(DEV) ## Retrain, gate, shadow, 10 %, 100 %, roll back, under load (SALES=file.csv)
	@$(WITH_OPENMP) $(PY) tests/system/lifecycle.py $(if $(SALES),--sales "$(SALES)")

blue-green-demo: $(DEV) ## Roll out good and bad releases behind nginx, under load
	@$(WITH_OPENMP) $(PY) tests/deploy/blue_green_demo.py

recovery-drill: $(DEV) ## Lose each part under load, bring it back; writes docs/recovery.md
	@$(WITH_OPENMP) $(PY) tests/recovery/drill.py

HOMES := data/example_homes.csv
URL := http://127.0.0.1:$(or $(PORT),8000)
examples: $(RUNTIME) ## Send example homes to a running server (HOMES=file.csv, URL=…)
	@$(PY) examples/send_examples.py --url "$(URL)" "$(HOMES)"

SHIPPED = knn/minimal/1 catboost/full/1 catboost/minimal/1 lightgbm/full/2 lightgbm/minimal/2
model: $(DEV) ## Train the shipped models anew into build/model (SALES=file.csv)
	@[ -f "$(SALES)" ] || { echo "make model needs SALES=file.csv" >&2; exit 2; }
	@rm -rf build/model && mkdir -p build/model && cp model/serving.json build/model
	@$(WITH_OPENMP) for each in $(subst /, ,$(SHIPPED)); do \
		set -- "$$@" "$$each"; done; \
	while [ $$# -gt 0 ]; do \
		MODEL_DIR=build/model FLASK_APP=housing_app $(PY) -m flask model train \
			--kind "$$1" --slot "$$2" --version "$$3" --sales "$(SALES)" || exit; \
		shift 3; \
	done
	@diff -rq model build/model && echo "build/model is model/, bit for bit" \
		|| echo "build/model differs: other sales, library versions or code"

COMPILE = build/pins/bin/uv pip compile --quiet --universal \
	--python-version 3.11 --fork-strategy fewest --no-annotate --no-strip-extras \
	--generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make requirements' $(ARGS)
requirements: | $(PY) ## Write the pins from setup.cfg anew (ARGS=--upgrade for new releases)
	@$(PY) -m venv build/pins && build/pins/bin/python -m pip install -q 'uv<1'
	$(COMPILE) setup.cfg --output-file requirements.txt
	$(COMPILE) setup.cfg --output-file requirements-dev.txt --extra dev \
		--constraint requirements.txt
	echo 'mlflow>=3.17,<4' | $(COMPILE) - --output-file requirements-mlflow-server.txt
	@{ sed '/^  - pip:$$/q' environment.yml; \
		sed -n '/^[a-z]/{s/ *\\$$//; s/^/      - /p}' requirements.txt; } > build/environment.yml
	@mv build/environment.yml environment.yml && rm -rf housing_app.egg-info

clean: ## Remove the virtual environment, builds and caches; keep instance/
	rm -rf $(VENV) build htmlcov .coverage *.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A copy of the installed file: make installs again when requirements change.
$(RUNTIME) $(DEV): $(VENV)/%: % $(PY)
	@echo "Installing $* into $(VENV) (a minute or two, once)"
	@$(PY) -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement $<
	@$(PY) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || { \
		mkdir -p $(OPENMP) && cd $(OPENMP) && ln -sf \
			../lib/python3*/site-packages/scikit_learn.libs/libgomp-* libgomp.so.1; }
	@cp $< $@

$(MLFLOW)/%: % $(PY)
	@echo "Installing $* into $(MLFLOW) (two minutes, once)"
	@$(PY) -m venv --clear $(MLFLOW)
	@$(MLFLOW)/bin/python -m pip install --quiet --disable-pip-version-check \
		--only-binary :all: --require-hashes --requirement $<
	@cp $< $@

$(SPARK)/%: % $(PY)
	@echo "Installing Spark into $(SPARK) (two minutes, once)"
	@$(PY) -m venv --clear $(SPARK)
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement $<
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check \
		'pyspark>=4.1,<5' 'pyarrow>=22'
	@cp $< $@

$(PY):
	@for python in $(PYTHONS); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
			|| continue; \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "$$python lacks venv: install it (Debian: apt install python3-venv)" >&2; \
			exit 1; }; \
		exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "Needs Python 3.11 or later, tried $(PYTHONS): set PYTHON=/path/to/python3" >&2; \
	exit 1
