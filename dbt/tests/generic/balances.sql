{# Fails for rows whose total is not the sum of the parts. #}
{% test balances(model, total, parts) %}
select *
from {{ model }}
where {{ total }} <> {{ parts | join(' + ') }}
{% endtest %}
