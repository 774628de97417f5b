{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('wear_time', 'wear_date', {
    'minutes_worn': 'minutes_worn',
    'worn_percent': 'worn_percent',
}, key='worn_date') }}
