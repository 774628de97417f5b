{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('battery', 'read_at', {
    'level_percent': 'level_percent',
    'state': 'state',
    'device_name': 'device_name',
}) }}
