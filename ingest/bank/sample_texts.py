"""The words that the items of a sample bank are made of, in English and in Spanish."""

from html.entities import codepoint2name

#: The same text in English and in Spanish.
Pair = tuple[str, str]


def pairs(text: str) -> tuple[Pair, ...]:
    """Return the pairs in a text that has a bar between any two of its parts."""
    texts = [text.strip() for text in text.replace("\n", " ").split("|")]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


NAMES = ("Amara", "Camila", "Dmitri", "Fatima", "Inés", "Jamal", "Luis", "Mei", "Noor", "Zoë")
THINGS = pairs("""apples | manzanas | marbles | canicas | pumpkins | calabazas | kites | cometas |
seashells | conchas | pencils | lápices | lanterns | faroles | tiles | azulejos | postcards |
postales | sunflower seeds | semillas de girasol | model trains | trenes a escala""")
PLACES = pairs("""the harbor | el puerto | the library | la biblioteca | the observatory |
el observatorio | the school garden | el huerto escolar | the lighthouse | el faro | the market |
el mercado | the science museum | el museo de ciencias | the mountain cabin | la cabaña""")
TOPICS = pairs("""honeybees | las abejas | volcanoes | los volcanes | tide pools |
las pozas de marea | earthquakes | los terremotos | magnets | los imanes | comets | los cometas |
glaciers | los glaciares | wind turbines | las turbinas eólicas | migrating cranes |
las grullas migratorias | fossils | los fósiles | coral reefs | los arrecifes de coral |
chloroplasts | los cloroplastos | suspension bridges | los puentes colgantes""")
STEMS = {
    "Math": pairs("""
What is the area of a {n} by {m} rectangle? | ¿Cuál es el área de un rectángulo de {n} por {m}? |
What is the total of {thing} in {m} boxes of {n}? | ¿Cuántas piezas hay en {m} cajas de {n}? |
Which fraction of the {thing} did {name} sell? | ¿Qué fracción de {thing} vendió {name}? |
Is the mean of the data above its median? | ¿Supera la media de los datos a la mediana? |
Solve for x, and explain each of your steps. | Halla x y explica cada uno de tus pasos. |
Which ratio of {thing} is equal to {n} to {m}? | ¿Qué razón de {thing} equivale a {n} a {m}?"""),
    "ELA": pairs("""
What is the central idea about {topic}? | ¿Cuál es la idea central sobre {topic}? |
How does {name} feel on arriving at {place}? | ¿Cómo se siente {name} al llegar a {place}? |
What does the author's metaphor suggest? | ¿Qué sugiere la metáfora del autor? |
Which claim of {name} is not supported? | ¿Qué afirmación de {name} carece de pruebas? |
Which word could replace "reluctant"? | ¿Qué palabra podría sustituir a "reacio"? |
How does the narrator's tone change near {place}? | ¿Cómo cambia el tono cerca de {place}?"""),
    "Science": pairs("""
Which question about {topic} can be tested? | ¿Qué pregunta sobre {topic} se puede comprobar? |
How does energy move through {topic}? | ¿Cómo circula la energía en {topic}? |
Which evidence shows that {topic} changed? | ¿Qué prueba muestra que {topic} cambiaron? |
Why do the ice and the water have the same mass? | ¿Por qué pesan igual el hielo y el agua? |
Which variable must stay the same at {place}? | ¿Qué variable debe ser igual en {place}? |
Describe the temperature pattern at {place}. | Describe la pauta de temperatura en {place}."""),
}
TALES = pairs("""
Before sunrise, {name} carried {n} {thing} to {place}. | Al alba, {name} llevó {n} {thing}. |
Nobody had ever written about {topic} before. | Nadie había escrito antes sobre {topic}. |
"Patience is a tool that never rusts." | "La paciencia es una herramienta sin óxido". |
At last the storm passed, and {place} was quiet. | Al fin pasó la tormenta en {place}. |
The notebooks about {topic} are centuries old. | Los cuadernos sobre {topic} tienen siglos. |
{name} drew a graph of the {thing} by season. | {name} dibujó una gráfica por estaciones.""")
ANSWERS = pairs("""
It explains that {topic} depend on a balance. | Explica que {topic} dependen de un equilibrio. |
The number of {thing} doubles every {m} days. | El número de {thing} se duplica cada {m} días. |
There isn't enough information about {place}. | No hay suficiente información sobre {place}. |
Heat flows from the warm object to the cool one. | El calor pasa del objeto caliente al frío. |
Repetition makes the warning sound urgent. | La repetición da urgencia a la advertencia. |
The graph is a line through the origin. | La gráfica es una recta por el origen.""")
HINTS = pairs("""Round your answer to the nearest tenth. | Redondea a la décima más cercana. |
Use details from the text as evidence. | Usa detalles del texto como prueba. | Select all the
correct answers. | Elige todas las respuestas correctas. | Enter your answer in the box. | Escribe
tu respuesta en el recuadro. | Click on a button to hear the words. | Haz clic en un botón para oír
las palabras. | You may look back at the source. | Puedes volver a mirar la fuente.""")
RATIONALES = pairs("""Correct: the definition is applied. | Correcto: aplica la definición. |
The student mistakes the operation. | El estudiante confunde la operación.""")
FRAMES = (
    "<p>{}</p>",
    '<p style="margin-left:12.0pt; ">{}&nbsp;</p>',
    '<p style=""><span style="font-weight:bold; ">{}</span></p>\n<p>&#160;</p>',
    "{}",
)
FORMULAS = (
    "<mfrac><mn>{m}</mn><mn>{n}</mn></mfrac><mo>&#215;</mo><mi>x</mi><mo>=</mo><mn>{m}</mn>",
    "<msup><mi>x</mi><mn>2</mn></msup><mo>\u2212</mo><mn>{n}</mn>",
)
ENTITIES = {code: f"&{name};" for code, name in codepoint2name.items() if code > ord("~")}
