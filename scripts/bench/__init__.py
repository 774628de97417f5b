"""What the pipeline costs: loading, small files, a distant database, the marts, the report; `python -m scripts.bench`.

docs/performance.md says what is measured and shows the figures of the last full run.
"""
