"""Sizes and prices at points that were worked out by hand; the tables that rest on them."""

import re
from itertools import pairwise

import capacity
import limits_reached
import pytest
import sizing
from sizing import Assumed, Measured

# Round figures: 2 ms of a core, 1,000 bytes of everything.
ONE = Measured(
    api_ms=2.0,
    nginx_ms=0.2,
    redis_ms=0.05,
    postgres_us=50.0,
    api_log_bytes=200,
    nginx_log_bytes=300,
    sent_bytes=1_000,
    answer_bytes=1_000,
    line_bytes=640,
    row_bytes=1_000,
    wal_bytes=1_000,
    read_rows_s=50_000,
    connections=1.5,
    series=100,
)
CHOICE = Assumed(days=10, node_hour=0.4, database_cpu_hour=0.1, redis_hour=0.2)


def test_sizes_of_1000_requests_a_second_are_those_worked_out_by_hand():
    size = sizing.sizes(1_000, ONE, CHOICE)
    assert size.api_cores == pytest.approx(4)  # 2 cores busy, half used
    assert size.pods == 4
    assert size.nginx_cores == pytest.approx(0.4)
    assert size.nodes == 3  # 4.4 cores would fit on one; a zone each
    assert size.rows_day == 86_400_000
    assert size.stored_gb_day == pytest.approx(86.4)
    assert size.stored_tb == pytest.approx(0.864)
    assert size.wal_mb_s == pytest.approx(1.0)
    assert size.wal_most_mb_s == pytest.approx(9.192)
    assert size.writer_cores == pytest.approx(0.1)
    assert size.redis_cores == pytest.approx(0.05)
    assert size.cells == 1
    assert size.database_cpus == 2  # 0.864 TB want 13.8 GiB: 1.7 cores of 8 GiB
    assert size.connections == pytest.approx(12)
    assert size.log_gb_day == pytest.approx(43.2)
    assert size.egress_tb_month == pytest.approx(2.62656)
    assert size.balancer_units == pytest.approx(7.2)  # GB/h; 2 by connections
    assert size.series == 400


def test_costs_of_it_are_those_worked_out_by_hand():
    cost = sizing.costs(sizing.sizes(1_000, ONE, CHOICE), CHOICE)
    assert cost == pytest.approx(
        {
            "machines": 3 * 0.4 * 730,
            "PostgreSQL": 2 * 2 * 0.1 * 730 + 864 * 0.23,
            "Redis": 2 * 0.2 * 730,
            "load balancers": (0.0225 + 7.2 * 0.008) * 730,
            "logs": 43.2 * 30.4 * 0.5,
            "to clients": 2_626.56 * 0.09,
        }
    )
    assert sizing.per_million(1_000, 2_626.56) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (CHOICE._replace(database_tb=2), 5),  # 8.64 TB of rows
        (CHOICE._replace(utilisation=0.2), 3),  # half of a Redis, a fifth allowed
    ],
)
def test_what_one_store_cannot_hold_is_divided_into_cells(choice, why):
    size = sizing.sizes(10_000, ONE, choice)
    assert size.cells == why
    assert size.pods >= choice.least_pods * why
    assert sizing.sizes(10_000, ONE, CHOICE).cells == 1


def test_ten_times_the_requests_are_never_cheaper_together_nor_dearer_each():
    rates = capacity.RATES
    one = sizing.measured(capacity.footprint())
    sums = [
        sum(sizing.costs(sizing.sizes(x, one, Assumed()), Assumed()).values())
        for x in rates
    ]
    assert sums == sorted(sums)
    each = list(map(sizing.per_million, rates, sums))
    # Cells are whole: a last one that is half empty may cost a little.
    assert all(b <= 1.1 * a for a, b in pairwise(each))


def test_every_assumption_says_what_it_is():
    assert set(sizing.ASSUMED) == set(Assumed._fields)


def test_ones_own_rates_and_prices_are_options(capsys):
    capacity.main(["250", "--requests-per-core", "500", "--node-hour", "1"])
    text = capsys.readouterr().out
    assert "| At requests/s | 250 |" in text
    # 250 requests at 2 ms are half a core; half used, a whole one.
    assert "| cores of the service at the peak | 1 |" in text
    assert "| machines | 2,190 |" in text


def test_limits_come_in_the_order_in_which_they_are_reached():
    text = limits_reached.found(ONE, CHOICE)
    found = [
        float(x.replace(",", "")) for x in re.findall(r"\| ([\d,.]+) \|$", text, re.M)
    ]
    assert len(found) > 7
    assert found == sorted(found)
    # 3,000 s at 66.8 s a million rows; ten days of rows.
    assert "the backup job's 3,000 s, for 10 days of rows | 52 |" in text
    # 12 pods of 100 requests/s; 100 connections, 6 for a pod of 250 requests/s.
    assert "| the autoscaler's 12 pods, at 100 requests/s each | 1,200 |" in text
    assert "| 100 connections to PostgreSQL, if each worker has 3 | 4,042 |" in text
    assert "| nginx's `RATE`, for one address | 20 |" in text
    assert "| `RATE_LIMIT` of deploy/, for one client | 10 |" in text


def test_a_spool_bridges_as_long_as_worked_out_by_hand():
    # 256 MB of 640 bytes are 400,000 records; a pod makes 250 a second.
    assert limits_reached.spool_minutes(ONE, CHOICE) == pytest.approx(
        400_000 / 250 / 60
    )
