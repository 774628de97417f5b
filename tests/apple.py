"""Exports of Apple Health, small and made up."""

import io
import zipfile

# as iOS 16 wrote it, which is no DTD
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|ClinicalRecord)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ATTLIST VisionPrescription
  type             CDATA #REQUIRED
<!ELEMENT Eye EMPTY>
]>
<HealthData locale="en_US">
 <ExportDate value="2026-03-05 10:00:00 +0100"/>
 <Me HKCharacteristicTypeIdentifierDateOfBirth="" HKCharacteristicTypeIdentifierBloodType="HKBloodTypeNotSet"/>
"""
OTHER = """ <Correlation type="HKCorrelationTypeIdentifierFood" sourceName="App" startDate="2026-03-01 07:00:00 +0100">
  <Record type="HKQuantityTypeIdentifierStepCount" sourceName="App" unit="count" value="1"/>
 </Correlation>
 <Workout workoutActivityType="HKWorkoutActivityTypeRunning" sourceName="Watch"><WorkoutEvent type="x"/></Workout>
 <ActivitySummary dateComponents="2026-03-01" activeEnergyBurned="310.5" activeEnergyBurnedUnit="kcal"/>
"""
STEPS = "HKQuantityTypeIdentifierStepCount"
HEART_RATE = "HKQuantityTypeIdentifierHeartRate"
BODY_MASS = "HKQuantityTypeIdentifierBodyMass"
SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"


def record(kind: str, begin: str, end: str, value: str, source: str = "Watch", **more: str) -> str:
    """A record of 2026, times being +0100."""
    units = {STEPS: "count", HEART_RATE: "count/min", BODY_MASS: "kg"}
    day = "2026-03-01"
    begin, end = ((text if len(text) > 8 else f"{day} {text}") + " +0100" for text in (begin, end))
    unit = more.pop("unit", units.get(kind, ""))
    metadata = "".join(f'\n  <MetadataEntry key="{key}" value="{text}"/>' for key, text in more.items())
    attributes = f'type="{kind}" sourceName="{source}" sourceVersion="10" device="&lt;HKDevice&gt;"'
    attributes += f' unit="{unit}"' if unit else ""
    return f' <Record {attributes} startDate="{begin}" endDate="{end}" value="{value}">{metadata}\n </Record>\n'


def sleep(begin: str, end: str, stage: str, source: str = "Watch", **more: str) -> str:
    return record(SLEEP, begin, end, f"HKCategoryValueSleepAnalysis{stage}", source, **more)


def export(*records: str) -> bytes:
    return "".join((HEAD, *records, OTHER, "</HealthData>\n")).encode()


def archive(content: bytes, name: str = "export.xml") -> bytes:
    """As the telephone shares it."""
    shared = io.BytesIO()
    with zipfile.ZipFile(shared, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"apple_health_export/{name}", content)
        file.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
        for number in range(1_100):
            file.writestr(f"apple_health_export/workout-routes/route_{number}.gpx", "")
    return shared.getvalue()
