"""Breakouts with duckdb: INPUT OUTPUT CORES [kernel]. One statement for each instrument."""

import sys
from pathlib import Path

import breakouts
import duckdb
from breakouts import Instrument, files, windows

BARS = """
create or replace temp table bars as
select epoch_us(timestamp) as t, row_number() over (order by timestamp) - 1 as i,
       round(high / {tick})::int as high, round(low / {tick})::int as low,
       round(close / {tick})::int as close
from read_parquet({files})
"""
WINDOWS = """
create or replace temp table windows as
select row_number() over () as w, * from (
    select date, slot, expiry <= (select max(t) from bars) as expired,
        coalesce(a.i + 1, 0) as start, coalesce(b.i + 1, 0) as slot_bar,
        coalesce(c.i + 1, 0) as latest, coalesce(d.i + 1, 0) as end_
    from asked
    asof left join bars a on a.t < asked.start
    asof left join bars b on b.t < asked.slot_at
    asof left join bars c on c.t <= asked.latest
    asof left join bars d on d.t < asked.expiry)
where start < slot_bar
"""
TRADES = """
create or replace temp table ranges as
select w, max(high) as top, min(low) as bottom
from (select w, unnest(range(start, slot_bar)) as i from windows) join bars using (i) group by w;

create or replace temp table entries as
select w, top, bottom, expired, i as begin_, end_, up, case when up then top + 1 else bottom - 1 end
           as entry, case when up then 1 else -1 end as direction,
       least(top - bottom, 3 * {target}) as stop
from (
    select w, min(i) as i, arg_min(high > top, i) as up, arg_min(low < bottom, i) as down
    from (select w, unnest(range(slot_bar, latest)) as i from windows) join ranges using (w)
         join bars using (i)
    where high > top or low < bottom group by w
) join ranges using (w) join windows using (w)
where up != down;

create or replace temp table moves as
select w, i, case when direction = 1 then high - entry else entry - low end as best,
       case when direction = 1 then entry - low else high - entry end as worst,
       stop, (close - entry) * direction as moved
from (select *, unnest(range(begin_, end_)) as i from entries) join bars using (i);

create or replace temp table marks as
select w, min(i) filter (best >= {t1}) as t1, min(i) filter (worst >= stop) as stopped,
       min(i) filter (best >= {target}) as won, max(i) as last
from moves group by w;

create or replace temp table ends as
select w, min(i) filter (worst >= 1 and i > t1) as back,
       coalesce(max(best) filter (i < coalesce(stopped, last + 1)), 0) as peak,
       arg_max(moved, i) as last_moved
from moves join marks using (w) group by w;

create or replace temp table results as
select w, case
    when stopped is not null and (t1 is null or stopped < t1) then 'Loss'
    when won < coalesce(back, won + 1)
         or (won = back and abs(moved - {target}) < abs(moved + 1)) then 'Win'
    when back is not null then 'BE'
    when expired then 'Time' else 'Open' end as result
from marks join ends using (w) join entries using (w)
     left join moves on moves.w = marks.w and moves.i = least(won, back);
"""
RESULT = """
copy (
    with exits as (
        select *, case result when 'Win' then {target} when 'BE' then -1 when 'Loss' then -stop
                  else last_moved end as profit,
               case result when 'Win' then won when 'BE' then back when 'Loss' then stopped
                  when 'Time' then last end as end_bar
        from results join marks using (w) join ends using (w) join entries using (w)
    )
    select '{name}' as instrument, date, slot, coalesce(result, 'NoTrade') as result,
           case direction when 1 then 'Long' when -1 then 'Short' end as direction,
           make_timestamptz(b.t) as entry_time, make_timestamptz(e.t) as exit_time,
           round(entry * {tick}, {decimals}) as entry_price,
           case when end_bar is not null
                then round((entry + direction * profit) * {tick}, {decimals}) end as exit_price,
           round(peak * {tick}, {decimals}) as peak,
           round(r.top * {tick}, {decimals}) as range_high,
           round(r.bottom * {tick}, {decimals}) as range_low,
           coalesce(round(profit * {tick}, {decimals}), 0.0) as profit
    from windows join ranges r using (w) left join exits using (w)
         left join bars b on b.i = begin_ left join bars e on e.i = end_bar
    order by date, slot
) to '{path}' (format parquet)
"""


DATABASE = duckdb.connect()


def execute(statement: str, rules: Instrument, **words: object) -> None:
    """A statement filled with the instrument's rules and these words."""
    words = {**rules._asdict(), **words, "tick": f"{rules.tick}::double"}
    DATABASE.execute(statement.format(**words))


def load(source: Path, name: str) -> None:
    """The bars in ticks, and the windows that are asked for."""
    paths = [str(path) for path in files(source, name)]
    execute(BARS, breakouts.INSTRUMENTS[name], files=paths)
    first, last = DATABASE.execute("select min(t), max(t) from bars").fetchone()
    columns = "date date, slot text, start bigint, slot_at bigint, latest bigint, expiry bigint"
    DATABASE.execute(f"create or replace temp table asked ({columns})")
    asked = ",".join(
        f"('{w[0]}','{w[1]}',{w[2]},{w[3]},{w[4]},{w[5]})" for w in windows(first, last)
    )
    DATABASE.execute(f"insert into asked values {asked}")


def compute(_: None, rules: Instrument) -> None:
    """What came of each window."""
    for statement in [WINDOWS, *TRADES.split(";")[:-1]]:
        execute(statement, rules)


def write(_: None, found: None, rules: Instrument, name: str, path: Path) -> None:
    """The table of results."""
    execute(RESULT, rules, name=name, path=path)


if __name__ == "__main__":
    DATABASE.execute(f"set threads = {int(sys.argv[3])}")
    breakouts.main(load, compute, write)
