{# Rows whose total is not the sum of its parts. #}
{% test balances(model, total, parts) %}
select *
from {{ model }}
where {{ total }} <> {{ parts | join(' + ') }}
{% endtest %}
