{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('sync_events', 'synced_at', {
    'synced_at_utc': 'synced_at_utc',
    'provider': 'provider',
    'device_name': 'device_name',
}) }}
