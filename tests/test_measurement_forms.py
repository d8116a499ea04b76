"""The ways notes write each kind of value, at least 25 a kind, and what looks like one and must not be read.

Each row is a way of writing, not a sentence of some note; values are in the UCUM unit of their kind.
"""

from __future__ import annotations

import pytest

from features.measurements import Measurement, find_measurements

PRESSURES: list[tuple[str, float, float]] = [
    ("BP 132/84", 132, 84), ("B/P: 118/76", 118, 76), ("blood pressure 150/92 mmHg", 150, 92),
    ("Blood pressure is 142 over 90", 142, 90), ("BP 128 / 76", 128, 76), ("BP: 110/70 mm Hg sitting", 110, 70),
    ("BP (sitting) 144/88", 144, 88), ("BP right arm 136/80", 136, 80), ("repeat BP 138/82", 138, 82),
    ("BP=120/80", 120, 80), ("BP of 160/100", 160, 100), ("BP was 98/60", 98, 60), ("BP today: 124/78", 124, 78),
    ("b.p. 130/85", 130, 85), ("blood pressure today was 155/95", 155, 95), ("BP118/66.", 118, 66),
    ("Blood Pressure (mmHg): 132/70", 132, 70), ("BP on arrival 90/50", 90, 50), ("BP initially 182/110", 182, 110),
    ("BP reading 146/94", 146, 94), ("BP at home 134/82", 134, 82), ("BP [left arm, seated] 126/74", 126, 74),
    ("BP LUE 140/80", 140, 80), ("BP stable at 118/72", 118, 72), ("BPs 140/90", 140, 90), ("NIBP 133/71", 133, 71),
    ("blood pressure in the right arm was 140/82", 140, 82), ("BP ranging 130-140/80-90", 130, 80),
    ("SBP 150, DBP 88", 150, 88), ("systolic 150, diastolic 90", 150, 90),
    ("systolic blood pressure of 162 mmHg and diastolic of 94", 162, 94),
]  # fmt: skip

VALUES: dict[str, list[tuple[str, float]]] = {
    "heart_rate": [
        ("HR 92", 92), ("heart rate 88", 88), ("heart rate of 72 bpm", 72), ("Heart rate: 64 beats per minute", 64),
        ("pulse 76", 76), ("Pulse: 80 bpm", 80), ("pulse rate 90", 90), ("pulse of 84 and regular", 84),
        ("pulse is 68, regular", 68), ("pulse 72/min", 72), ("HR=104", 104), ("HR: 58", 58), ("HR 88 reg", 88),
        ("resting heart rate 62", 62), ("resting HR of 55", 55), ("apical pulse 84", 84), ("heart rate was 120", 120),
        ("HR (bpm): 77", 77), ("ventricular rate of 140 bpm", 140), ("tachycardic to 130", 130),
        ("bradycardic at 42", 42), ("heart rate regular at 70", 70), ("HR 90-100", 90), ("heart rate 70 to 80", 70),
        ("Heart Rate (beats/min) 66", 66), ("HR on arrival 118", 118),
    ],
    "body_temperature": [
        ("temp 98.6", 37.0), ("Temp: 37.2", 37.2), ("temperature 101.3 F", 38.5), ("temperature is 38.5 C", 38.5),
        ("Temperature: 98.4 °F", 36.89), ("temp of 99.1", 37.28), ("Tmax 102.4", 39.11), ("T max 101", 38.33),
        ("T-max 100.8", 38.22), ("temp (oral) 98.6", 37.0), ("oral temp 98.8", 37.11), ("temperature 37°C", 37.0),
        ("temperature 98.6F", 37.0), ("temp 36.6 degrees Celsius", 36.6), ("temperature of 97.9 degrees", 36.61),
        ("temp 100.4 deg F", 38.0), ("temperature was 99 degrees Fahrenheit", 37.22), ("temp 98", 36.67),
        ("fever to 102", 38.89), ("fever of 101.5", 38.61), ("febrile to 39.2", 39.2), ("Temp (F): 98.4", 36.89),
        ("Temp (C) 36.9", 36.9), ("tympanic temp 99.4", 37.44), ("rectal temperature 101.8", 38.78),
        ("Temperature 98.6 degrees F", 37.0), ("TEMP 98.7", 37.06), ("temperature = 37.2", 37.2),
    ],
    "spo2": [
        ("SpO2 92%", 92), ("SpO2: 98 %", 98), ("SpO2 (%): 95", 95), ("SpO2 90 w/ walker", 90), ("O2 sat 95%", 95),
        ("O2 sats 93%", 93), ("O2 sat of 91% on room air", 91), ("oxygen saturation is 97%", 97),
        ("oxygen saturation of 88 percent", 88), ("sats 82%", 82), ("sat 94% RA", 94), ("satting 96% on 2L", 96),
        ("saturating 89% on room air", 89), ("pulse ox 94% on room air", 94), ("pulse oximetry 93%", 93),
        ("pulse oximetry on room air was 90%", 90), ("SaO2 of 88%", 88), ("SpO2 on room air at rest 87%", 87),
        ("SpO2 on RA: 91%", 91), ("SpO2 94% on 3 L NC", 94), ("SpO2 on 2 L/min 93%", 93), ("RA sat 92%", 92),
        ("room air saturation 89%", 89), ("95% RA", 95), ("97% on room air", 97), ("93% on 2 L", 93),
        ("92% 6L NC", 92), ("resting SpO2 86% RA", 86), ("SpO2 88-90%", 88), ("sats in the low 90s, SpO2 91%", 91),
        ("O2 saturation on 4L nasal cannula 95%", 95), ("SpO2=96%", 96),
    ],
    "pao2": [
        ("PaO2 58", 58), ("PaO2 of 58 mmHg", 58), ("PaO2: 61 mm Hg", 61), ("PaO2 = 55 mmHg", 55), ("pO2 51", 51),
        ("PO2 60 mmHg", 60), ("pO2 of 72", 72), ("arterial PO2 54", 54), ("arterial PO2 was 57 mmHg", 57),
        ("PaO2 (mmHg): 59", 59), ("PaO2 is 56 on room air", 56), ("PaO2 on room air 52", 52),
        ("PaO2 on room air was 52 mmHg", 52), ("ABG on room air: PaO2 54", 54), ("ABG RA pO2 49", 49),
        ("ABG: pH 7.38, pCO2 44, pO2 53", 53), ("ABG 7.38 / pCO2 48 / pO2 62", 62), ("PaO2 54 torr", 54),
        ("PaO2 at rest 55", 55), ("resting PaO2 55 mmHg", 55), ("PaO2 at 54 mmHg", 54), ("PaO2 58-60 mmHg", 58),
        ("arterial oxygen tension 57 mmHg", 57), ("PaO2 measured 50", 50), ("PaO2 on 2 L 68", 68),
        ("PaO2 of 89 on 2 L NC", 89), ("partial pressure of oxygen 55 mmHg", 55), ("PaO2 RA 53 mmHg", 53),
    ],
    "body_height": [
        ("Ht 70 in", 177.8), ("height 5'10\"", 177.8), ("HEIGHT: 5 feet 2 inches", 157.5), ("ht 165 cm", 165),
        ("height 1.65 m", 165), ("Height: 66 inches", 167.6), ("height 5 ft 4 in", 162.6), ("ht 5'4", 162.6),
        ("Ht: 5 ft. 9 in.", 175.3), ("height of 172 cm", 172), ("height is 180 cm", 180), ("height 6'", 182.9),
        ("height 6 ft even", 182.9), ("5'7\" tall", 170.2), ("she is 5 feet 3 inches tall", 160.0),
        ("Height (cm): 158", 158), ("Height (in): 64", 162.6), ("ht 64\"", 162.6), ("Ht=170 cm", 170),
        ("height 5’6”", 167.6), ("stands 6 feet 2", 188.0), ("height 1.8 meters", 180), ("height 67.5 in", 171.5),
        ("height 5-foot-8", 172.7), ("Ht 5ft 11in", 180.3), ("height was 160 centimeters", 160),
        ("height 5' 5\"", 165.1), ("stature 171 cm", 171),
    ],
    "body_weight": [
        ("Wt 318 lb", 144.24), ("wt 260#", 117.93), ("weighs 280 pounds", 127.01), ("Wt 132.4 kg", 132.4),
        ("weight 180 lbs", 81.65), ("weight: 82 kg", 82), ("weight of 210 lb", 95.25), ("Weight is 95.5 kg", 95.5),
        ("body weight 70 kg", 70), ("Weight (kg): 88", 88), ("Weight (lbs): 200", 90.72), ("wt=150 lb", 68.04),
        ("current weight 121 kg", 121), ("weight today 251.4 lb", 114.03), ("weighed 300 lb", 136.08),
        ("weighing 145 pounds", 65.77), ("Wt: 64kg", 64), ("weight 190lbs.", 86.18), ("weight was 99 kilograms", 99),
        ("weight in clinic 240 pounds", 108.86), ("weight stable at 77 kg", 77), ("she weighs 62 kilos", 62),
        ("weight on admission 84 kg", 84), ("actual weight 91 kg", 91), ("weight: 220 lb (99.8 kg)", 99.79),
        ("weight approximately 175 lb", 79.38), ("weight 165 lbs 4 oz", 74.84), ("bodyweight 73 kg", 73),
    ],
    "rdi": [
        ("RDI 22/h", 22), ("RDI 18", 18), ("RDI: 31.4", 31.4), ("RDI of 26", 26), ("RDI was 40.2", 40.2),
        ("RDI = 15 events/hr", 15), ("RDI 19 events per hour", 19), ("overall RDI 24", 24), ("total RDI 33.1", 33.1),
        ("respiratory disturbance index 28", 28), ("respiratory disturbance index of 12.6 per hour", 12.6),
        ("Respiratory Disturbance Index (RDI): 17", 17), ("pRDI 21.3", 21.3), ("RDI (events/h): 16.8", 16.8),
        ("RDI is 9", 9), ("RDI 12.5 /hr", 12.5), ("AHI pending, RDI 27", 27), ("an RDI of 35/hour", 35),
        ("RDI 44 per hr", 44), ("PSG showed RDI 52", 52), ("RDI - 30", 30), ("RDI  8.2", 8.2),
        ("baseline RDI 61", 61), ("RDI measured 14", 14), ("RDI about 20", 20), ("RDI 11 episodes per hour", 11),
    ],
    "hba1c": [
        ("A1c 7.9 on metformin", 7.9), ("HbA1c 5.5.", 5.5), ("hemoglobin A1c of 8.1%", 8.1), ("A1C: 6.5%", 6.5),
        ("HgbA1c 9", 9), ("(A1c 5.6)", 5.6), ("A1c was 10.2 %", 10.2), ("Hgb A1c 7.0", 7),
        ("glycated hemoglobin 6.1%", 6.1), ("A1c=7.2", 7.2), ("HbA1c 53 mmol/mol", 7.0), ("A1c today 8.7", 8.7),
        ("HbA1c (%): 6.9", 6.9), ("HgA1c 8.8", 8.8), ("glycohemoglobin 7.4", 7.4), ("A1c is 6.8 percent", 6.8),
        ("Hemoglobin A1C 11.3 %", 11.3), ("HBA1C - 7.7", 7.7), ("Hb A1c: 9.4", 9.4), ("A1C level 8.2", 8.2),
        ("last A1c 7.1", 7.1), ("A1c in clinic 6.4", 6.4), ("most recent A1c was 8.0%", 8.0), ("POC A1c 7.6", 7.6),
        ("A1c up to date, A1c 9.1", 9.1), ("glycosylated hemoglobin of 7.3", 7.3), ("A1c remains 8.4", 8.4),
        ("hemoglobin A1c (HbA1c) 6.6", 6.6), ("HbA1C is now at 9.9%", 9.9),
    ],
    "fev1": [
        ("FEV1 36% pred", 36), ("FEV1 74%", 74), ("FEV1 of 45 percent of predicted", 45), ("FEV1: 52% predicted", 52),
        ("FEV-1 61%", 61), ("FEV 1 48% of predicted", 48), ("FEV1 is 55% of predicted", 55), ("FEV1 was 33%", 33),
        ("FEV1 (% predicted): 58", 58), ("FEV1 % predicted 47", 47), ("FEV1 %pred: 66", 66),
        ("FEV1 predicted 71%", 71), ("post-bronchodilator FEV1 40%", 40), ("FEV1 postbronchodilator 44%", 44),
        ("FEV1 pre 39%", 39), ("forced expiratory volume in one second 50% predicted", 50),
        ("forced expiratory volume in 1 second of 62%", 62), ("FEV1 1.2 L (42%)", 42), ("FEV1 1.2 L (42% predicted)", 42),
        ("FEV1 1.85 L, 63% predicted", 63), ("FEV1 = 29 %", 29), ("FEV1 30-35% predicted", 30),
        ("FEV1 at 57% predicted", 57), ("FEV1 72 % pred", 72), ("FEV1 0.98 L/36% pred", 36),
        ("FEV1 1.4 liters (49% of predicted)", 49), ("FEV1 64 percent predicted", 64),
    ],
    "ejection_fraction": [
        ("EF 60,", 60), ("EF 30%", 30), ("HFrEF EF 20%", 20), ("LVEF 35-40%", 35), ("LVEF of 55%", 55),
        ("ejection fraction of 55%", 55), ("ejection fraction is estimated at 45%", 45),
        ("Ejection fraction estimated around 60%", 60), ("EF: 58%", 58), ("EF 0.55", 55),
        ("left ventricular ejection fraction 25 percent", 25), ("EF = 50%", 50), ("LVEF (%): 42", 42),
        ("EF by echo 38%", 38), ("EF was 35 to 40%", 35), ("EF approximately 65%", 65), ("EF normal at 62%", 62),
        ("LV ejection fraction is 48%", 48), ("LVEF is 30-35 percent", 30), ("EF of about 20%", 20),
        ("ejection fraction (EF) 33%", 33), ("LV EF 57%", 57), ("LVEF visually estimated 40%", 40),
        ("ejection fraction remains 28%", 28), ("EF on echo was 52%", 52), ("LVEF ~55%", 55),
        ("EF reduced to 25%", 25), ("EF improved to 45%", 45),
    ],
    "egfr": [
        ("eGFR 45", 45), ("GFR 28 mL/min/1.73m2", 28), ("eGFR: 58", 58), ("eGFR of 33", 33), ("GFR 62", 62),
        ("estimated GFR 51", 51), ("estimated GFR of 44 mL/min", 44), ("glomerular filtration rate 39", 39),
        ("estimated glomerular filtration rate of 27 mL/min/1.73 m2", 27), ("eGFR 71 ml/min", 71), ("eGFR = 19", 19),
        ("eGFR (mL/min/1.73m2): 36", 36), ("eGFR was 88", 88), ("eGFR is 12", 12), ("eGFR now 41", 41),
        ("eGFR 45-50", 45), ("CKD 3b, eGFR 38", 38), ("e-GFR 54", 54), ("eGFR 49 mL/min/1.73 m²", 49),
        ("GFR: 90 ml/minute", 90), ("GFR estimated at 57", 57), ("eGFR by CKD-EPI 47", 47), ("eGFR (CKD-EPI) 52", 52),
        ("eGFR stable at 31", 31), ("calculated GFR 66", 66), ("eGFR calculated 68", 68), ("eGFR 29.5", 29.5),
    ],
    "oswestry": [
        ("ODI 46%", 46), ("ODI 52", 52), ("ODI: 44 %", 44), ("Oswestry today is 44 percent", 44), ("Oswestry 38%", 38),
        ("ODI score 60%", 60), ("Oswestry Disability Index score 48%", 48), ("ODI of 30%", 30), ("ODI 23/50", 46),
        ("Oswestry Disability Index (ODI): 56%", 56), ("ODI was 20%", 20), ("modified Oswestry 62%", 62),
        ("ODI (%): 54", 54), ("ODI = 36%", 36), ("Oswestry score of 40%", 40), ("ODI 58/100", 58),
        ("Oswestry disability score 34%", 34), ("ODI initially 64%", 64), ("current ODI 28%", 28),
        ("Oswestry Low Back Disability Questionnaire 42%", 42), ("ODI 21 of 50", 42), ("ODI 19 out of 50", 38),
        ("Oswestry - 50%", 50), ("ODI is now 26%", 26), ("Oswestry at baseline 70%", 70), ("ODI 44.5%", 44.5),
    ],
    "kellgren_lawrence": [
        ("KL 4", 4), ("KL4", 4), ("KL-3", 3), ("KL grade 3", 3), ("KL gr 2", 2), ("K-L 3", 3), ("K/L grade 4", 4),
        ("KL grade IV", 4), ("Kellgren-Lawrence grade 4 disease", 4), ("Kellgren Lawrence 3", 3),
        ("Kellgren and Lawrence grade 2", 2), ("Kellgren-Lawrence grade III", 3), ("KL 2-3", 2), ("KL 0-1].", 0),
        ("sclerosis = KL 4.", 4), ("Kellgren-Lawrence stage 3", 3), ("Kellgren-Lawrence grade\n4", 4), ("KL: 3", 3),
        ("KL 3/4", 3), ("Kellgren-Lawrence (KL) grade 4", 4), ("Kellgren & Lawrence grade 1", 1),
        ("Kellgren-Lawrence grade of 3", 3), ("KL grade is 2", 2), ("Kellgren-Lawrence classification grade 4", 4),
        ("K&L grade 3", 3), ("grade 3 Kellgren-Lawrence", 3), ("grade IV Kellgren-Lawrence changes", 4),
        ("Kellgren Lawrence grade three", 3),
    ],
    "epworth": [
        ("ESS 14", 14), ("ESS 16/24;", 16), ("ESS: 9", 9), ("Epworth 13", 13), ("Epworth 13/24", 13),
        ("Epworth score 11", 11), ("Epworth Sleepiness Scale 18", 18), ("Epworth is 10", 10),
        ("Epworth sleepiness scale score of 15 out of 24", 15), ("Epworth sleepiness score: 12", 12), ("ESS = 7", 7),
        ("EPWORTH 20/24", 20), ("Epworth of fourteen", 14), ("ESS score 17", 17), ("ESS of 8", 8), ("ESS is 19", 19),
        ("Epworth Sleepiness Scale (ESS): 21", 21), ("Epworth today 6", 6), ("ESS was 22/24", 22), ("ESS 11 of 24", 11),
        ("Epworth scale: 5", 5), ("Epworth total 16", 16), ("Epworth Sleepiness Scale score 3", 3),
        ("Epworth - 12", 12), ("Epworth rated 13", 13), ("Epworth sleepiness 9", 9), ("ESS total score: 10/24", 10),
    ],
    "event_count": [
        ("Total 139 events", 139), ("170 events, AHI pending", 170), ("96 respiratory events", 96),
        ("total events 120", 120), ("total events: 84", 84), ("Total respiratory events 145", 145),
        ("total number of events 98", 98), ("number of events: 77", 77), ("respiratory events: 132", 132),
        ("total apneas and hypopneas 110", 110), ("total apneas + hypopneas: 64", 64), ("Events 65.", 65),
        ("Events: 92", 92), ("134 total events", 134), ("88 obstructive events", 88), ("151 scored events", 151),
        ("There were 57 respiratory events", 57), ("total of 49 events", 49), ("total events scored 117", 117),
        ("Total events recorded: 186", 186), ("total events (A+H): 101", 101), ("73 apneic events", 73),
        ("total events = 66", 66), ("61 combined respiratory events", 61), ("Total apnea and hypopnea 81", 81),
        ("total events counted: 140", 140),
        ("68 sleep disordered breathing events", 68),
    ],
    "sleep_time": [
        ("TST 371 min", 371), ("total sleep time 6.2 h", 372), ("total sleep time: 360 minutes", 360),
        ("Total sleep time was 5.5 hours", 330), ("TST: 6 hrs", 360), ("TST 402 mins", 402), ("TST (min): 388", 388),
        ("total recording time 7.1 h", 426), ("TRT 440 min", 440), ("recording time: 8 hours", 480),
        ("recording time of 425 minutes", 425), ("monitoring time 6.5 hr", 390), ("valid time 5 h", 300),
        ("valid recording time 410 min", 410), ("valid sleep time 6.0 h", 360), ("analysis time: 355 min", 355),
        ("sleep time 300 min", 300), ("sleep time was 4.5 hours", 270), ("total sleep time of 345.5 minutes", 345.5),
        ("TST = 377 min", 377), ("total recording time (TRT): 431 min", 431), ("total sleep time (TST) 366 min", 366),
        ("TST 6 h 12 min", 372), ("total sleep time 5 hours 30 minutes", 330), ("recorded time 7 h", 420),
        ("monitored time 402 min", 402), ("total sleep time 6h", 360),
    ],
    "muscle_strength": [
        ("L EHL 4+/5", 4.5), ("strength 5/5", 5), ("5/5 strength throughout", 5), ("everything else 5/5", 5),
        ("quad 4-/5", 3.75), ("grip 2/5", 2), ("wrists 3-/5", 2.75), ("MMT 3+/5", 3.5), ("motor 5/5", 5),
        ("dorsiflexion 4/5", 4), ("Hips/knees 3/5", 3), ("0/5 strength", 0), ("great toe extension 4+/5", 4.5),
        ("strength is 4 out of 5", 4), ("motor strength 4 / 5", 4), ("muscle strength: 3/5", 3),
        ("strength of 4/5 in the right leg", 4), ("deltoid 4+/5", 4.5), ("power 3/5", 3), ("4/5 weakness of the hip", 4),
        ("iliopsoas strength 4/5 on the left", 4), ("strength rated 4/5", 4), ("strength graded 3 of 5", 3),
        ("biceps 5-/5", 4.75), ("plantarflexion strength 2+/5", 2.5), ("hand grip strength 4/5 bilaterally", 4),
        ("knee extension strength 4-/5", 3.75), ("EHL 1/5", 1),
    ],
    "range_of_motion": [
        ("ROM 0-105", 105), ("ROM 10-70 guarding", 70), ("motion 8 to 100, coarse crepitus", 100),
        ("moves 5 to 105 degrees", 105), ("range of motion of the right knee is 0 to 90 degrees", 90),
        ("shoulder ROM limited to 60 deg", 60), ("ROM: 5-110 degrees", 110), ("ROM 0° to 120°", 120),
        ("ROM is 0/130 degrees", 130), ("AROM 10-95", 95), ("PROM 0 to 115 deg", 115), ("ROM of 3-118", 118),
        ("active range of motion 0-125 degrees", 125), ("passive range of motion 15 to 80", 80),
        ("range of motion is from 5 to 95 degrees", 95), ("knee ROM 7-102", 102), ("arc of motion 20-100 degrees", 100),
        ("range 10 to 90 degrees", 90), ("ROM right knee 0-110", 110), ("motion from 5 to 100 degrees", 100),
        ("ROM (deg): 0-108", 108), ("ROM full 0-135", 135), ("ROM 0 – 112", 112), ("ROM -5 to 120", 120),
        ("ROM limited to 85°", 85), ("ROM in the left knee 12 to 88 degrees", 88),
    ],
}  # fmt: skip

ACUITIES: list[tuple[str, float, str | None]] = [
    ("VA 20/25", 25, None), ("20/50 OD", 50, "right_eye"), ("OD 20/70", 70, "right_eye"), ("OS 20/40", 40, "left_eye"),
    ("BCVA OS 20/50", 50, "left_eye"), ("VA OD: 20/30", 30, "right_eye"), ("right eye 20/60", 60, "right_eye"),
    ("left eye: 20/80", 80, "left_eye"), ("visual acuity 20/20", 20, None), ("vision is 20/200 OS", 200, "left_eye"),
    ("VA OU 20/25", 25, "both_eyes"), ("both eyes 20/40", 40, "both_eyes"), ("20/20-2 OD", 20, "right_eye"),
    ("OD 20/40+1", 40, "right_eye"), ("BAT med OD 20/100", 100, "right_eye"), ("vision 20/30 w/ glasses", 30, None),
    ("acuity of 20/63", 63, None), ("VAcc OD 20/70", 70, "right_eye"), ("near vision 20/50 OS", 50, "left_eye"),
    ("uncorrected 20/400 right", 400, "right_eye"), ("best corrected to 20/32", 32, None), ("20 / 60 OS", 60, "left_eye"),
    ("logMAR 0.4", 50.2, None), ("logMAR 0.3 OD", 39.9, "right_eye"), ("0.3 logMAR", 39.9, None),
    ("logMAR of 1.0", 200, None), ("VA OD 6/12", 40, "right_eye"), ("VA 6/18 OS", 60, "left_eye"),
    ("visual acuity 6/60", 200, None), ("LogMAR: 0.0", 20, None),
]  # fmt: skip

COMPUTED_BMI: list[tuple[str, float]] = [
    ("Ht 70 in, Wt 318 lb", 45.6), ("height 5'10\", weight 220 lb", 31.6), ("Height: 165 cm. Weight: 98 kg.", 36.0),
    ("Wt 132.4 kg, Ht 170 cm", 45.8), ("178 cm and 132 kg", 41.7), ("5 ft 3, 168 lb.", 29.8),
    ("he is 6 feet 1, weighs 250 pounds", 33.0), ("Height (cm): 160\nWeight (kg): 90", 35.2),
    ("Ht 64 in\nWt 200 lb", 34.3), ("5'4\" 180 lb", 30.9), ("weighs 280 pounds and is 5 feet 6 inches tall", 45.2),
    ("height 1.65 m, weight 95 kg", 34.9), ("5'9\" tall, 300 lbs", 44.3),
    ("HEIGHT: 5 feet 2 inches. WEIGHT: 210 pounds", 38.4),
    ("ht 6'0 wt 350#", 47.5), ("weight 121 kg; height 183 cm", 36.1), ("Ht: 5 ft. 9 in. Wt: 260 lbs.", 38.4),
    ("height of 172 cm and weight of 119 kg", 40.2), ("Wt=150 lb Ht=60 in", 29.3),
    ("Weight (lbs): 244 Height (in): 66", 39.4),
    ("height 67.5 in, current weight 251 lb", 38.7), ("Ht 5ft 11in, Wt 290lb", 40.4),
    ("weight 104.3 kg and height 1.7 m", 36.1),
    ("height 5’6”, weighs 199 pounds", 32.1), ("stands 6 feet 2 and weighs 320 lb", 41.1), ("185 cm / 140 kg", 40.9),
    ("Height: 5 ft 4 in (162.6 cm). Weight: 200 lb (90.7 kg).", 34.3),
    ("Ht (!) 162.6 cm (5' 4\"), Wt 90.7 kg (200 lb)", 34.3),
    ("Ht 64in/Wt 200lb", 34.3), ("a 5-foot-4, 200-pound woman", 34.3), ("Ht. 64 in. Wt. 200 lb.", 34.3),
    ("weighs 200 lbs at a height of 64 inches", 34.3), ("Vitals: 64 in, 200 lb", 34.3),
    ("Here with her mother. Ht 64 in, Wt 200 lb.", 34.3),
    ("Her mother lives with her, she weighs 200 lb, height 64 in", 34.3),
]  # fmt: skip

NO_COMPUTED_BMI: list[str] = [
    "Ht 70 in", "weight 200 lb", "BMI 31, Ht 70 in", "height unknown, weight 200 lb", "Ht 70 in, weight stable",
    # a weight that is none of today's
    "goal weight 180 lb, height 70 in", "Ht 70 in, ideal body weight 166 lb", "Ht 70 in, target weight 170 lb",
    "Birth weight 3.2 kg. Height 50 cm.", "Ht 70 in, dry weight 80 kg", "highest adult weight 320 lb, Ht 66 in",
    "pre-pregnancy weight 140 lb, Ht 66 in", "heaviest weight 300 lb, Ht 66 in", "desired weight 150 lb, Ht 66 in",
    "Ht 66 in, weight 320 lb in 2019", "Ht 66 in, weight 300 lb two years ago", "Weight 310 lb before surgery. Ht 66 in.",
    "Ht 66 in, weight 290 lb at her heaviest", "Estimated fetal weight 2.5 kg. Height 165 cm.",
    # a change, a load or a limit
    "lost 20 lb, height 70 in", "Ht 70 in. Lost 40 lb since May.", "Ht 70 in, weight gain of 20 lb",
    "Ht 66 in, weight down 20 lb", "Ht 70 in, weight loss goal 50 lb", "Ht 70 in, no lifting over 20 lb",
    "Ht 70 in, weight limit 350 lb", "wheelchair weight capacity 300 lb, height 66 in", "Ht 70 in, lifts 50 lb",
    "backpack weight 20 lb, height 66 in",
    # somebody else's
    "Her mother's height is 62 in. Weight 210 lb.", "Father: height 6 ft 2 in, weight 240 lb.",
    "Height 70 in. Husband weighs 250 lb.", "Mother is 5 ft 3 in tall. Patient weighs 210 lb.",
    "His son weighs 70 lb. Ht 70 in.", "Sister weighs 300 lb and is 5 feet 4 inches tall.",
    # the height of something else
    "Disc height 8 mm. Weight 210 lb.", "Fell from a height of 70 in. Weight 210 lb.", "bed height 60 cm, weight 90 kg",
    "fundal height 32 cm, weight 150 lb", "seat height 50 cm, weight 80 kg", "jump height 60 cm, weight 80 kg",
    "height loss of 2 in, weight 150 lb", "She lost 2 in of height. Weight 150 lb.", "heel height 5 in, weight 150 lb",
    # percentiles, units that do not fit, values no one has
    "Height 95th percentile, weight 40 kg.", "Height 75th percentile. Weight 80th percentile.", "Ht 70 kg, Wt 170 cm",
    "Height 70, weight 200", "Ht 170 in, weight 200 lb", "Ht 7 in, weight 200 lb", "Ht 66 in, weight is 120% of ideal",
]  # fmt: skip

NEAR_MISSES: dict[str, list[str]] = {
    "blood_pressure": [
        "BP 8/10", "BP 10/12/2026", "BP cuff 12/30", "BP meds 20/10", "BP 1320/84", "BP 60/110", "BP well controlled",
        "ABP 12", "blood pressure monitoring for 24/48 hours", "goal BP 130/80", "target blood pressure 130/80",
        "BP should be 130/80", "systolic murmur 2/6", "systolic function 55", "diastolic dysfunction grade 2",
    ],
    "heart_rate": [
        "pulse 2+", "HR 2/6 murmur", "max HR 85% of predicted", "target heart rate 140", "HR monitor",
        "pulse 4 weeks", "HR not recorded", "heart rate variability 40 ms", "pulse width 300", "HR for 2 weeks",
        "pulsed dye laser 595 nm", "pulse dose steroids 1000 mg", "HR positive 90% of cells", "goal HR 60",
    ],
    "body_temperature": [
        "fever for 3 days", "temp 12", "temp 120", "temperature of the room 72", "fever 2 weeks", "T 38",
        "T 12 L1 fusion", "temp check in 40 minutes", "temporary 98", "fever x 38 hours", "temperature 37 days",
        "temporal arteritis 40", "tempo 98.6",
    ],
    "spo2": [
        "SpO2 monitor", "desaturation of 4%", "30% oxygen", "50% of the time", "FiO2 40%", "goal SpO2 92%",
        "transferrin saturation 20%", "iron saturation 35%", "saturday 95", "sat for 90 minutes", "SpO2 20%",
        "SpO2 should be 92%", "target saturation 94%",
    ],
    "pao2": [
        "PaO2 pending", "PaO2/FiO2 250", "po 2 tabs", "PO2 tabs daily", "PaO2 5", "PaO2 1200", "pao2 goal 60",
        "P/F 200", "goal PaO2 60", "pO2 88%",
    ],
    "body_height": [
        "height of the disc 4 mm", "disc height 8 mm", "height 2 cm", "vertebral height loss of 50%", "height 300 cm",
        "height restored", "heightened 5", "full height", "fall from a height of 6 feet", "fundal height 32 cm",
        "bed height 60 cm", "hit 70 in", "right 5'",
    ],
    "body_weight": [
        "weight bearing", "lost 14 lb", "weight loss of 14 lb", "weight 150", "no lifting over 20 lb", "weight gain 10 kg",
        "weight limit 300 lb", "weight-bearing 50 lb", "goal weight 180 lb", "weights of 5 lb", "birth weight 3 kg",
        "weightlifting 100 kg", "weight 5000 lb",
    ],
    "rdi": [
        "RDI pending", "RDI must be 15", "RDI 18 days", "RDI 400", "no RDI reported", "RDI 30%", "RDIs", "cardi 20",
        "RDI/AHI", "RDI x 3", "REM RDI 41", "supine RDI 30",
    ],
    "hba1c": [
        "A1c goal 7", "A1c in 3 months", "A1c every 3 months", "goal A1c 7", "A1c 55", "A1c not done", "A1c 2 weeks ago",
        "A1c 10/12/2026", "target HbA1c 6.5", "hemoglobin 8.1", "C1a 7", "A1c should be 7",
    ],
    "fev1": [
        "FEV1 1.2 L", "FEV1 pending", "FEV1 36", "FEV1 improved by 200 mL", "FEV1 300%", "FEV 2", "fever 1 36%",
        "FEV1 3 weeks ago", "FEV1 should be 50%", "FEV1 must be below 50%", "FEV1 2%",
    ],
    "ejection_fraction": [
        "ef 40", "EF not done", "EF 4 views", "EF 120", "EF pending", "effusion 40", "EF 2 weeks ago", "prior EF 25%",
        "LVEF must be 35%", "EF goal 50%", "eff 30", "EF 3%",
    ],
    "egfr": [
        "eGFR pending", "EGFR mutation exon 19", "EGFR exon 21 L858R", "eGFR 3 months ago", "eGFR 500",
        "eGFR must be 60", "eGFR every 6 months", "GFR x 2", "EGFR 19 deletion", "FGFR 45", "eGFR 5%",
    ],
    "oswestry": [
        "odi et amo 30", "melodic 40", "ODI goal 20%", "goal ODI 20%", "ODI 130%", "ODI pending", "ODI in 6 weeks",
        "ODI at 4 weeks", "Oswestry 2 weeks ago", "ODI 30/60", "Oswestry should be 20%",
    ],
    "kellgren_lawrence": [
        "KL 5", "kl 4", "KL-6 antibody", "K 3.1", "KL 40", "Kellgren-Lawrence not given", "KL grade", "skl 3",
        "Kellgren-Lawrence must be 3", "KL view 2 weeks", "grade 3 sprain", "Lawrence 4",
    ],
    "epworth": [
        "ess 3", "assess 14", "ESS 25", "Epworth 13/30", "Epworth should be 10", "ESS in 4 weeks", "Epworth not done",
        "ess 14", "Epworth 2 weeks ago", "ESS 14%", "less 12", "Epworth must be 10",
    ],
    "event_count": [
        "adverse events 12", "15 events per hour", "two events", "events 6/h", "3 events", "life events 20",
        "events in 2026", "12 events an hour", "cardiac events 30 days", "no events", "9.5 events", "20 events/h",
    ],
    "sleep_time": [
        "TST 371", "sleep time 8", "recording", "TST 5 min", "sleep latency 22 min", "recorded 3 days", "TST skin test 12 mm",
        "REM sleep 60 min", "wake time 45 min", "sleeps 6 h", "recording at 8:30", "TST pending",
    ],
    "muscle_strength": [
        "Seen 3/5", "Waddell 3/5", "LTGs 3 of 5 unmet", "1/5 goals", "strength good", "visits 4/5", "strength 500 mg",
        "3/5/2026 strength", "GDS 4/5", "strength training 3 of 7 days", "dose strength 2/3", "pain 3/5",
    ],
    "range_of_motion": [
        "ROM 60", "ROM full", "ROM pending", "ROM 10/12/2026", "prom dress 12", "range 5 to 10 years", "ROM 2-3 weeks",
        "ROM exercises 3-4 times", "motion 30 minutes", "motion sickness 2-3 days", "ROM x 10-12", "CD-ROM",
    ],
    "visual_acuity": [
        "AST/ALT 20/18", "on 20/12", "20/20/2026", "logMAR chart", "6/12 visits", "6/12/2026", "seen 6/12", "6/6 sessions",
        "logMAR 5", "GCS 15/15", "HR 20/min", "20/33", "9/12 range of motion",
    ],
}  # fmt: skip

CONTEXTS: list[tuple[str, str, str | None]] = [
    ("SpO2 92% RA", "spo2", "room_air"), ("SpO2 on room air 92%", "spo2", "room_air"), ("RA sat 92%", "spo2", "room_air"),
    ("room air saturation 89%", "spo2", "room_air"), ("SpO2 on RA: 91%", "spo2", "room_air"),
    ("SpO2 on room air at rest 87%", "spo2", "room_air"), ("resting SpO2 86% RA", "spo2", "room_air"),
    ("SpO2 94% on 3 L NC", "spo2", "on_oxygen"), ("SpO2 on 2 L/min 93%", "spo2", "on_oxygen"),
    ("O2 saturation on 4L nasal cannula 95%", "spo2", "on_oxygen"), ("satting 96% on 2L", "spo2", "on_oxygen"),
    ("SpO2 98%.", "spo2", None), ("PaO2 on room air 52", "pao2", "room_air"), ("PaO2 RA 53 mmHg", "pao2", "room_air"),
    ("PaO2 is 56 on room air", "pao2", "room_air"), ("ABG on room air: PaO2 54", "pao2", "room_air"),
    ("PaO2 of 89 on 2 L NC", "pao2", "on_oxygen"), ("PaO2 on 2 L 68", "pao2", "on_oxygen"), ("PaO2 58", "pao2", None),
]  # fmt: skip


def _measured(text: str, concept: str) -> list[Measurement]:
    return [one for one in find_measurements(text) if one.concept == concept and one.comparator == "="]


@pytest.mark.parametrize(("text", "systolic", "diastolic"), PRESSURES)
def test_a_blood_pressure_has_both_its_values(text: str, systolic: float, diastolic: float) -> None:
    found = [(one.concept, one.value, one.unit) for one in find_measurements(text)]
    assert found == [
        ("blood_pressure_systolic", systolic, "mm[Hg]"),
        ("blood_pressure_diastolic", diastolic, "mm[Hg]"),
    ]


@pytest.mark.parametrize(("concept", "text", "value"), [(c, t, v) for c, rows in VALUES.items() for t, v in rows])
def test_each_way_of_writing_a_value_is_read(concept: str, text: str, value: float) -> None:
    assert [one.value for one in _measured(text, concept)] == [pytest.approx(value, abs=0.06)]


@pytest.mark.parametrize(("text", "value", "eye"), ACUITIES)
def test_each_way_of_writing_an_acuity_is_read_with_its_eye(text: str, value: float, eye: str | None) -> None:
    (one,) = find_measurements(text)
    assert one.concept.startswith("visual_acuity")
    assert (one.value, one.unit, one.context) == (pytest.approx(value, abs=0.1), "{20/x}", eye)


@pytest.mark.parametrize(("text", "value"), COMPUTED_BMI)
def test_a_bmi_follows_from_each_way_of_writing_height_and_weight(text: str, value: float) -> None:
    (bmi,) = _measured(text, "bmi")
    assert (bmi.value, bmi.computed) == (pytest.approx(value, abs=0.11), True)


@pytest.mark.parametrize("text", NO_COMPUTED_BMI)
def test_no_bmi_is_computed_without_a_height_and_a_current_weight(text: str) -> None:
    assert [one for one in _measured(text, "bmi") if one.computed] == []


@pytest.mark.parametrize(("concept", "text"), [(c, t) for c, rows in NEAR_MISSES.items() for t in rows])
def test_near_misses_of_a_kind_are_not_read(concept: str, text: str) -> None:
    assert [one for one in find_measurements(text) if one.concept.startswith(concept) and one.comparator == "="] == [
        one for one in find_measurements(text) if one.concept in _OTHER_KIND.get(concept, ())
    ]


_OTHER_KIND = {
    "body_weight": ("body_weight_other",),
    "body_height": ("body_height_other",),
    "rdi": ("rdi_positional",),
    "ejection_fraction": ("ejection_fraction_past",),
    "hba1c": ("hba1c_goal",),
}
"""What a qualified name is read as: another concept, which no policy takes for the value itself."""


@pytest.mark.parametrize(("text", "concept", "context"), CONTEXTS)
def test_a_value_says_whether_it_was_taken_on_oxygen(text: str, concept: str, context: str | None) -> None:
    assert [one.context for one in _measured(text, concept)] == [context]


@pytest.mark.parametrize("kind", VALUES)
def test_every_kind_has_its_forms_and_near_misses(kind: str) -> None:
    assert len({text for text, _ in VALUES[kind]}) >= 25
    assert len(NEAR_MISSES[kind]) >= 10


def test_pressures_acuities_and_computed_values_have_their_forms_and_near_misses() -> None:
    for forms, misses in (
        (PRESSURES, NEAR_MISSES["blood_pressure"]), (ACUITIES, NEAR_MISSES["visual_acuity"]), (COMPUTED_BMI, NO_COMPUTED_BMI),
    ):  # fmt: skip
        assert len({form[0] for form in forms}) >= 25
        assert len(set(misses)) >= 10


@pytest.mark.parametrize(
    ("text", "concept", "value"),
    [
        ("He scored 19 of 30 on the MoCA (16 years of schooling).", "moca", 19),
        ("22/30 on MMSE today.", "mmse", 22),
        ("She got 2 out of 5 on the Mini-Cog.", "mini_cog", 2),
        ("MoCA 24/30, was 26/30 on the MoCA of 2024.", "moca", 24),
    ],
)
def test_a_score_may_stand_before_the_name_of_its_scale(text: str, concept: str, value: float) -> None:
    assert next(m.value for m in find_measurements(text) if m.concept == concept) == value


@pytest.mark.parametrize(
    ("text", "eyes"),
    [
        ("BCVA is 20/25 on the right and 20/50 on the left.", [(25, "right_eye"), (50, "left_eye")]),
        ("VA cc 20/30 OD, 20/20 OS.", [(30, "right_eye"), (20, "left_eye")]),
        ("          OD       OS\nVA cc   20/80    20/30\n", [(80, "right_eye"), (30, "left_eye")]),
        ("          OD       OS\nMRx              20/30\n", [(30, "left_eye")]),
        ("Vision is 6/24 in the left eye.", [(80, "left_eye")]),
    ],
)
def test_each_acuity_of_two_eyes_has_its_own(text: str, eyes: list[tuple[float, str]]) -> None:
    assert [(m.value, m.context) for m in find_measurements(text)] == eyes


def test_a_date_may_stand_between_a_name_and_its_value() -> None:
    assert [(m.concept, m.value) for m in find_measurements("TSH on October 8 was 1.7.")] == [("tsh", 1.7)]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("10 of 11 scheduled attended, 1 cx", 90.9), ("attended 10/12 visits", 83.3),
        ("Seen 9 of 9 this period", 100), ("Attended 8/8.", 100), ("Visits to date 10/12 scheduled", 83.3),
        ("PN: seen for 8/10 visits", 80),
        ("attended 9 of 10 scheduled", 90), ("Attendance 12/12", 100), ("19/20 visits attended", 95),
        ("attended 6 of 12", 50),
    ],
)  # fmt: skip
def test_visits_kept_of_those_scheduled_are_a_share(text: str, share: float) -> None:
    (measured,) = [one for one in find_measurements(text) if one.concept == "attendance"]
    assert measured.value == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(
    "text", ["seen on 9/14 and 10/2", "visits, 1/12-4/24/26", "attended visits 9/1, 9/8", "pain present 7/10"]
)
def test_days_and_scores_are_no_share_of_visits(text: str) -> None:
    assert "attendance" not in [one.concept for one in find_measurements(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70% relief for 4 months", 70), ("65-70% better", 65), ("greater than 50% improvement", 50), (">50% relief", 50),
        ("pain relief of 80%", 80), ("at least 60 % reduction in pain", 60), ("50 percent sustained relief", 50),
        ("0% relief", 0),
    ],
)  # fmt: skip
def test_relief_is_a_percentage_before_or_after_its_name(text: str, value: float) -> None:
    (measured,) = [one for one in find_measurements(text) if one.concept == "pain_relief"]
    assert (measured.value, measured.comparator) == (value, "=")
