-- name: recognised_files(declarations)
select
    source_filename,
    source_version,
    matches,
    reason,
    hint
from ops.recognised_files
where declarations = :declarations;

-- name: remember(names, versions, found, declarations)!
insert into ops.recognised_files (source_filename, source_version, declarations, matches, reason, hint)
select
    file.source_filename,
    file.source_version,
    :declarations,
    found.value -> 'matches',
    found.value ->> 'reason',
    found.value ->> 'hint'
from unnest(:names::text [], :versions::text []) with ordinality
    as file (source_filename, source_version, place)
inner join jsonb_array_elements(:found::jsonb) with ordinality as found (value, place) on file.place = found.place
on conflict (source_filename) do update
    set
        source_version = excluded.source_version,
        declarations = excluded.declarations,
        matches = excluded.matches,
        reason = excluded.reason,
        hint = excluded.hint,
        recognised_at = excluded.recognised_at;
