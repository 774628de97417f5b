#!/usr/bin/env bash
# One issue for a pipeline that fails on schedule: opened by the first failure, commented on by the following ones, closed
# by the next success. Needs the GitHub command line (gh) and from the environment:
#   RESULT (success or failure), RUN_ID, EXIT_CODE, ERROR_SUMMARY, RUN_URL; GH_TOKEN and GH_REPO for gh
set -euo pipefail

readonly LABEL=pipeline-failure
readonly TITLE="The scheduled pipeline run fails"

open_issue() {
  gh issue list --state open --label "$LABEL" --limit 1 --json number --jq '.[].number'
}

# the summary is quoted as code, so that nothing in it is read as Markdown or as a mention
describe_failure() {
  printf 'Run %s ended with exit code %s.\n\n' "${RUN_ID:-unknown}" "${EXIT_CODE:-unknown}"
  printf '%s\n' "${ERROR_SUMMARY:-The run left no error summary.}" | sed 's/^/    /'
  printf '\nLog and dbt artifacts: %s\n' "$RUN_URL"
}

report_failure() {
  local number
  number=$(open_issue)
  if [[ -n $number ]]; then
    describe_failure | gh issue comment "$number" --body-file -
  else
    gh label create "$LABEL" --force --color B60205 --description "Kept by scripts/report-run.sh"
    describe_failure | gh issue create --title "$TITLE" --label "$LABEL" --body-file -
  fi
}

report_success() {
  local number
  number=$(open_issue)
  [[ -n $number ]] || return 0
  gh issue close "$number" --comment "Run ${RUN_ID:-unknown} succeeded: $RUN_URL"
}

main() {
  case ${RESULT:?} in
    success) report_success ;;
    *) report_failure ;;
  esac
}

main "$@"
