"""Which words of a note are which concept, and which look-alike words are not.

Each row is ``text | concept`` or ``text | !concept``: the concept must, or must not, be found in the text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.concepts import ConceptMatcher
from features.lexicon import load_lexicon
from features.tokens import tokenize

POLICIES = Path(__file__).parents[1] / ".." / "shared" / "policies"
NOT_CONCEPTS = {"measurement", "structure"}

FOUND = """
CHF with orthopnea, sleeps in a recliner | heart_failure
HFrEF, EF 20% | heart_failure
NYHA III | heart_failure
cannot lie flat | orthopnea
acute on chronic systolic heart failure | decompensated_heart_failure
exertional chest pressure | exertional_chest_pain
CCS class II angina | exertional_chest_pain
pressure in the chest: substernal pressure with stairs | chest_pain
DOE with one flight | exertional_dyspnea
winded going to the mailbox | exertional_dyspnea
pulmonary arterial hypertension on echo | pulmonary_hypertension
cor pulmonale on echo | cor_pulmonale
COPD GOLD 4 | advanced_copd
severe COPD, FEV1 36% | advanced_copd
chronic obstructive lung disease | copd
idiopathic pulmonary fibrosis on nintedanib | interstitial_lung_disease
desats to 84% with walking | hypoxemia
nocturnal desaturation to 79% | nocturnal_hypoxemia
2+ pitting edema | dependent_edema
LBBB on ECG | left_bundle_branch_block
complete left bundle branch block | left_bundle_branch_block
RBBB unchanged | right_bundle_branch_block
WPW pattern | preexcitation
V-paced rhythm | paced_rhythm
baseline ST depression 1 mm | st_depression
LVH with repol abnormality | hypertrophy_with_strain
no significant AS on echo | aortic_stenosis
NSVT on monitor | ventricular_arrhythmia
provoked PE in 2019, on Eliquis | venous_thromboembolism
acute hypoxemic resp failure | respiratory_failure
T2DM, A1c 8.1 | type_2_diabetes
DM2 on basal insulin | diabetes_mellitus
Diabetes for 12 years | diabetes_mellitus
type 1 diabetes since childhood | type_1_diabetes
borderline diabetes | prediabetes
EMS gave D50 for a sugar of 31 | severe_hypoglycemia
wife administered glucagon | severe_hypoglycemia
recurrent nocturnal lows | hypoglycemia
morbidly obese | severe_obesity
class III obesity | severe_obesity
NASH cirrhosis | fatty_liver
Crohn's disease of the ileum | crohns_disease
moderate CD on colonoscopy | crohns_disease
perianal fistula with seton | bowel_fistula
stricturing Crohn disease | bowel_stricture
flares when pred tapered below 10 mg | steroid_dependence
C. diff negative | clostridioides_infection
daily headaches, HA 20 days a month | headache
HA free days only 5 a month | headache
chronic migraine without aura | chronic_migraine
triptan overuse | medication_overuse_headache
worst headache of life | thunderclap_headache
headaches worse lying flat | positional_headache
headache worse with coughing | valsalva_headache
papilledema on exam | papilledema
left pronator drift | focal_neurologic_deficit
slurred speech and facial droop | focal_neurologic_deficit
new onset seizure last week | first_or_focal_seizure
breakthrough seizures despite two drugs | drug_resistant_epilepsy
amnestic MCI on neuropsych testing | cognitive_decline
history of TBI with loss of consciousness | head_injury
progressive MS, prevent decline | multiple_sclerosis
ALS with respiratory weakness | motor_neuron_or_muscle_disease
NPH triad, wide gait | hydrocephalus
asymmetric SNHL on audiogram | hearing_loss_inner_ear
cataplexy when laughing | narcolepsy
acts out dreams | rem_sleep_behavior_disorder
microhemorrhage on MRI | aria
PD on carbidopa | parkinsonism
endorses SI without plan | suicidality
seropositive RA, CCP high | rheumatoid_arthritis
RA 30 yrs with deformed hands | rheumatoid_arthritis
active synovitis of the MCPs | synovitis
tear posterior horn medial meniscus | meniscal_tear
bucket-handle tear | meniscal_tear
intrasubstance signal, no discrete tear | meniscal_degeneration
Outerbridge IV | cartilage_damage
severe central and lateral recess stenosis | central_stenosis
bilateral foraminal narrowing | foraminal_stenosis
disc extrusion abutting the traversing L5 root | nerve_root_compression
left paracentral disc protrusion | disc_herniation
Modic type 1 changes | modic_changes
dynamic instability at L4-5 | spinal_instability
bilateral pars defects | pars_defect
halo around the screws | pseudarthrosis
burst fracture with retropulsion | unstable_spine_fracture
2+ NS OD | cataract
3+ nuclear sclerosis OS | cataract
PSC 2+ OU | cataract
PCIOL OD | pseudophakia
PDR OU, treated with laser | diabetic_retinopathy
dermatochalasis OU | dermatochalasis
redundant skin of the upper lids | dermatochalasis
looks through eyelashes | visual_obstruction_by_lids
tilts head back to see | visual_obstruction_by_lids
ptosis of the right upper lid | ptosis
monocular diplopia OD | monocular_diplopia
trouble reading small print | visual_symptoms
stage 3 sacral PU | advanced_pressure_ulcer
unstageable heel ulcer | advanced_pressure_ulcer
purulent drainage | wound_drainage
14 mm spiculated nodule RUL | pulmonary_nodule
biopsy-proven adenocarcinoma | cancer_proven
highly suspicious for malignancy | cancer_suspected
rising CEA 4 to 18 | cancer_recurrence
NSCLC stage III | lung_cancer
never smoker | tobacco_abstinence
quit smoking 4 months ago | tobacco_abstinence
1 ppd x 20 years | tobacco_use
unable to dress, cannot bathe | adl_limitation
difficulty with stairs | stairs_difficulty
can only walk one block | walking_distance_limited
homebound, leaves home only for dialysis | homebound
considerable and taxing effort | taxing_effort
mod A x1 with RW | assistance_needed
gait 20 ft RW min A | walker
PLOF independent | prior_level_of_function
alert and oriented x3 | cognition_intact
requires verbal and tactile cues | skilled_need
turned q2h by caregiver | frequent_repositioning
HOB 45 deg | head_of_bed_elevation
joint spaces preserved | joint_space_preserved
subchondral sclerosis and cysts | subchondral_cysts
large marginal osteophytes | osteophytes
10 degree flexion contracture | flexion_contracture
femoral stretch positive on the right | femoral_stretch_test
Lantus 20 units qhs | insulin
NPH 20 units bid | insulin
on MDI, basal and bolus | insulin
MTX 20 mg weekly | methotrexate
failed Enbrel | other_biologic
Humira pen q14 days | adalimumab
6-MP 50 mg | mercaptopurine
TPM 100 mg | topiramate
cannot take BB, asthma | beta_blocker
norepinephrine 6 mcg | vasopressor
heparin gtt | continuous_infusion
vanc/Zosyn day 2 | intravenous_antibiotic
IV Lasix 80 BID | intravenous_diuretic
started INH for LTBI | latent_tuberculosis_treatment
completed RT, 60 Gy in 30 fractions | radiation_therapy
HFNC 40L/50% | high_flow_oxygen
wound vac changes | negative_pressure_wound_therapy
PT/OT daily | occupational_therapy
single DES to the LAD | percutaneous_coronary_intervention
s/p CABG 2019 | coronary_bypass
L4-5 laminectomy | lumbar_decompression
right TKA planned | knee_replacement
QuantiFERON negative | tuberculosis_test
PPD placed, 0 mm | tuberculosis_test
HBsAg nonreactive | hepatitis_b_surface_antigen
anti-HBc negative | hepatitis_b_core_antibody
OCT macula normal | retinal_imaging
SLE OD: cornea clear, lens 3+ NS | slit_lamp_exam
BAT med OD 20/100 | glare_test
IOLMaster done | eye_biometry
PET/CT skull base to thigh | pet_ct
regadenoson stress | myocardial_perfusion_imaging
equivocal ETT | exercise_stress_test
Dexcom G7 receiver | glucose_monitor_receiver
cannot operate tiller of the POV | scooter
semi-electric hospital bed | hospital_bed
PEG feeds new | feeding_tube
F2F 3/2/25 | face_to_face_visit
I certify she is confined to home | certification
POC certified through 6/30 | plan_of_care
SWO signed | standard_written_order
admit to inpatient | inpatient_order
place in observation | observation_status
anticipate > 2 midnights | two_midnight_expectation
psych clearance obtained | psychological_clearance
RD evaluation completed | nutrition_evaluation
R/B/A discussed | informed_consent
CDCES education done | cgm_training
Crohn's vs intestinal tuberculosis | crohns_doubted
Crohn's disease versus lymphoma of the ileum | crohns_doubted
RA vs psoriatic arthritis | rheumatoid_arthritis_doubted
Non-Hodgkin lymphoma | lymphoma
MS, relapsing-remitting | multiple_sclerosis
MS: secondary progressive | multiple_sclerosis
adalimumab in addition to ustekinumab | concurrent_biologic
currently taking etanercept 50 mg weekly | concurrent_biologic
anti-HBc positive | hepatitis_b_positive
lower lids to be done as well | lower_blepharoplasty
upper and lower lids | lower_blepharoplasty
lids do not close fully, 2 mm gap | lagophthalmos
would like to look younger | cosmetic_concern
cataract after blunt injury | complex_cataract
cataract due to penetrating trauma | complex_cataract
lazy right eye since childhood | amblyopia
will operate both eyes, the right first | second_eye_surgery
cataract surgery with vitrectomy | combined_eye_surgery
osteomyelitis near the left knee | knee_mass_or_infection
facet-mediated low back pain | facet_pain
Hoffmann sign pos | myelopathy_or_cord_signs
contrast dye: hives | contrast_allergy
MRI w/ and w/o contrast | contrast_study_needed
MRI with and w/o contrast | contrast_study_needed
accepted by IRF | inpatient_rehab_candidate
acute inpatient rehabilitation recommended | inpatient_rehab_candidate
mobility is at his usual baseline | function_at_baseline
pill box setup only | venipuncture_only
INR checks only | venipuncture_only
photos to follow | photographs_outstanding
conversion of sleeve to bypass is planned | other_bariatric_surgery
sleeve gastrectomy in 2015 | earlier_bariatric_surgery
two more monthly visits are needed | weight_loss_program_unfinished
considering left total knee replacement | knee_replacement_planned
injected with triamcinolone 7/4/2026 | joint_injection
untreated major depression | untreated_mental_illness
G1P0 at 10 weeks | pregnancy
G3P1, 22 wks | current_or_planned_pregnancy
rarely leaves home | homebound
leaves the house only for dialysis | homebound
"""

NOT_FOUND = """
G2P2, LMP three weeks ago | !pregnancy
simple endoscopic score for Crohn's disease 13 | !crohns_disease
index of Crohn's disease 240 | !crohns_disease
treatment target: endoscopic healing | !low_disease_activity
goal is clinical remission | !low_disease_activity
needs a walker and help of one person to leave home | !homebound
leaving home is a taxing effort | !homebound
discharged to skilled rehab | !therapy_in_facility
SNF certification: daily skilled need | !therapy_in_facility
dilated exam: vessels normal, periphery flat | !macula_normal
little improvement expected from surgery | !potential_acuity
spouse cannot drive because of poor sight | !vision_limits_activity
cannot operate a power wheelchair safely | !drives_power_chair_safely
electronically signed by S. Keller, OTR/L | !occupational_therapy
MRI without contrast | !contrast_study_needed
lower lid skin normal | !lower_blepharoplasty
cataract, both eyes | !complex_cataract
candidate for home, not IRF | !inpatient_rehab_candidate
PE: lungs clear, heart regular | !venous_thromboembolism
PE tubes placed | !venous_thromboembolism
on heparin for DVT prophylaxis | !venous_thromboembolism
SpO2 85% RA at rest | !rheumatoid_arthritis
sat 97% on RA | !rheumatoid_arthritis
enlarged RA and RV on echo | !rheumatoid_arthritis
rheumatoid factor normal | !rheumatoid_arthritis
MS contin 30 mg bid | !multiple_sclerosis
MS: alert, oriented to person | !multiple_sclerosis
given MS 4 mg IV | !multiple_sclerosis
transported by ALS ambulance | !motor_neuron_or_muscle_disease
TBI 0.6, ABI 0.8 | !head_injury
10 mCi, 30 MCI technetium injected | !cognitive_decline
PD exchanges, peritoneal dialysis | !parkinsonism
NPH insulin 20 units | !hydrocephalus
CP angle mass | !chest_pain
CP450 inducer | !chest_pain
cerebral palsy (CP) | !chest_pain
moderate AS a rule | !aortic_stenosis
AS WELL AS VALVE | !aortic_stenosis
JOHN DOE | !exertional_dyspnea
heating PAD to the back | !peripheral_artery_disease
diabetes insipidus | !diabetes_mellitus
pre-diabetes | !diabetes_mellitus
borderline diabetic | !diabetes_mellitus
Robitussin DM | !diabetes_mellitus
guaifenesin DM at night | !diabetes_mellitus
insulin resistance | !insulin
SSI at the incision, superficial | !insulin
albuterol MDI 2 puffs | !insulin
NPH triad with wide gait | !insulin
CD4 count 400 | !crohns_disease
imaging CD enclosed | !crohns_disease
AV fistula for dialysis | !bowel_fistula
coronary artery fistula | !bowel_fistula
gastrocutaneous fistula | !bowel_fistula
HA injection to the knee | !headache
she HAS pain | !headache
seizure precautions | !seizure
SI joint injection | !suicidality
NS 500 ml bolus | !cataract
PSC cholangitis | !cataract
grade 2 ptosis of the breast | !ptosis
brow ptosis | !ptosis
nipple ptosis | !ptosis
lateral decubitus position | !pressure_ulcer
smokes 1 PPD | !tuberculosis_test
1 PPD smoker for 20 years | !tuberculosis_test
OCT 12 visit | !retinal_imaging
SLE with lupus nephritis | !slit_lamp_exam
lupus (SLE) on plaquenil | !slit_lamp_exam
hit with a BAT | !glare_test
PET dog at home | !pet_ct
ETT 22 cm at the lip | !exercise_stress_test
get a scan soon | !eye_biometry
toe walker since infancy | !walker
Dr. Walker saw him | !walker
polyethylene glycol (PEG) daily | !feeding_tube
POC glucose 140 | !plan_of_care
board certified sleep physician | !certification
tibial plateau fracture | !plateau
PCI, prophylactic cranial irradiation | !percutaneous_coronary_intervention
respiratory RT at bedside | !radiation_therapy
FEV1 36% pred | !systemic_steroid
Depo-Medrol injected | !systemic_steroid
Pred Forte OD | !systemic_steroid
TCA peel | !tricyclic_antidepressant
AED applied, CPR started | !antiseizure_drug
speech pathology | !pathology_report
foam wedge | !tumor_resection
ACS: American Cancer Society | !unstable_angina
normal gait | !walks_far
respiratory failure | !inadequate_response
midline incision | !central_venous_line
workers' comp, WC claim | !wheelchair
OB/GYN, OBS history | !observation_status
foot drop | !dyspnea
prediabetes | !diabetes_mellitus
severe lumbar DDD | !pressure_ulcer
pacemaker DDD mode | !disc_degeneration
DR. SMITH | !diabetic_retinopathy
hospital course | !hospital_bed
power of attorney | !power_wheelchair
drug store | !substance_use_disorder
AMA guidelines (American Medical Association) | !altered_mental_status
clock face | !cognitive_test
cervical spine cancer | !cervical_cancer
cervical disc herniation | !cervical_cancer
"""


def _rows(table: str) -> list[tuple[str, str]]:
    return [
        (text.strip(), concept.strip()) for text, concept in (line.rsplit("|", 1) for line in table.split("\n") if line)
    ]


@pytest.fixture(scope="module")
def matcher() -> ConceptMatcher:
    return ConceptMatcher(load_lexicon())


def _concepts(matcher: ConceptMatcher, text: str) -> set[str]:
    return {mention.concept.concept_id for mention in matcher.mentions(tokenize(text), [(0, len(text))])}


@pytest.mark.parametrize(("text", "concept"), _rows(FOUND))
def test_words_of_a_concept_are_found(matcher: ConceptMatcher, text: str, concept: str) -> None:
    assert concept in _concepts(matcher, text)


@pytest.mark.parametrize(("text", "concept"), _rows(NOT_FOUND))
def test_words_that_only_look_like_a_concept_are_not_found(matcher: ConceptMatcher, text: str, concept: str) -> None:
    absent = concept.removeprefix("!")
    assert absent in load_lexicon().concepts, "the row must name a concept of the lexicon, or it cannot fail"
    assert absent not in _concepts(matcher, text)


def test_the_tables_are_large_enough_to_mean_something() -> None:
    assert len(_rows(FOUND)) + len(_rows(NOT_FOUND)) >= 150
    assert len(_rows(NOT_FOUND)) >= 60


def _mapping() -> dict[str, list[str]]:
    raw = yaml.safe_load((Path(__file__).parent / "data" / "fact_concepts.yaml").read_text())
    return {fact: [target] if isinstance(target, str) else list(target) for fact, target in raw.items()}


def test_facts_of_policies_are_mapped_to_concepts_that_exist() -> None:
    concepts = load_lexicon().concepts
    unknown = {
        (fact, target)
        for fact, targets in _mapping().items()
        for target in targets
        if target not in concepts and target not in NOT_CONCEPTS
    }
    assert not unknown


def _leaves() -> list[dict[str, Any]]:
    if not POLICIES.is_dir():
        pytest.skip("the coverage fact sheets (../shared/policies) are not here")
    leaves: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "facts" in node:
                leaves.append(node)
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    for sheet in sorted(POLICIES.glob("*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", sheet.read_text(), re.DOTALL):
            walk(yaml.safe_load(block))
    return leaves


def test_no_fact_that_a_policy_names_is_forgotten() -> None:
    named = {fact for leaf in _leaves() for fact in leaf["facts"]}
    assert named == set(_mapping())


def test_most_phrases_of_the_fact_sheets_speak_of_a_fact_of_their_criterion(matcher: ConceptMatcher) -> None:
    """At least 85 % of the criteria that concepts decide have half of their own typical phrases found.

    A phrase that is a bare value or code, or speaks of the fact by something else, need not be.
    """
    mapping = _mapping()
    shares: list[float] = []
    for leaf in _leaves():
        wanted = {target for fact in leaf["facts"] for target in mapping[fact]}
        if wanted & NOT_CONCEPTS or not leaf.get("phrases"):
            continue
        found = [bool(wanted & _concepts(matcher, str(phrase))) for phrase in leaf["phrases"]]
        shares.append(sum(found) / len(found))
    assert sum(share >= 0.5 for share in shares) / len(shares) >= 0.85
