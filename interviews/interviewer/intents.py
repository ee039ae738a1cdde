"""What a candidate's message is after, by its words, in English and in Russian."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

MAX_READ = 2000


class Intent(StrEnum):
    SOLUTION = "solution"
    HINT = "hint"
    WHY = "why"
    TIME = "time"
    ATTEMPTS = "attempts"
    EXAMPLE = "example"
    LIMITS = "limits"
    EXPLAIN = "explain"
    SKIP = "skip"
    FINISH = "finish"
    RULES = "rules"
    WHO = "who"
    COMPLEXITY = "complexity"
    APPROACH = "approach"
    HELLO = "hello"
    THANKS = "thanks"
    SMALL_TALK = "small_talk"
    READY = "ready"
    OTHER = "other"


# The first pattern that is found decides, so what must not be overheard stands first.
_PATTERNS: tuple[tuple[Intent, str], ...] = (
    (
        Intent.SOLUTION,
        r"\b(?:give|show|tell|send|write|print|reveal|provide|paste|share)\b[^.?!\n]{0,40}"
        r"\b(?:solution|answer|the code|full code|working code|correct code|hidden tests?)\b"
        r"|\b(?:solve|do|code|implement)\s+(?:it|this|the (?:task|problem))\s+for me\b"
        r"|\bwhat(?:'s| is) the (?:solution|(?:right|correct) answer)\b"
        r"|(?:да(?:й|йте)|покаж\w+|скаж\w+|напиш\w+|пришл\w+|выведи\w*|раскро\w+|скин\w+)[^.?!\n]{0,40}"
        r"(?:решени|ответ|(?:весь |готовый |рабочий )?код\b|скрыт\w+ тест)"
        r"|реши(?:те)?\b[^.?!\n]{0,30}(?:за меня|задач|это)"
        r"|как(?:ой|ое) правильн\w+ (?:ответ|решени)",
    ),
    (
        Intent.HINT,
        r"\b(?:hints?|clues?)\b|\bhelp me\b|\b(?:need|get|want|have|some|any|your|please)\s+help\b"
        r"|^\W*help\b|\b(?:can|could|would) you help\b|\bstuck\b|\bno idea\b|\bi give up\b"
        r"|\b(?:don'?t|do not) know (?:how|where|what)\b|\bwhere (?:do|should) i (?:start|begin)\b"
        r"|подскаж|подсказ|помоги|помочь|помощь|нужна помощ|застрял|не знаю,? (?:как|что|с чего)"
        r"|с чего начать|нет идей|сдаюсь|наведи на мысль|намек",
    ),
    (
        Intent.TIME,
        r"\bhow (?:much|long)\b[^.?!\n]{0,30}\b(?:time|left|remain\w*|have|minutes?)\b"
        r"|\b(?:time|minutes?) (?:is |are |do i have )?(?:left|remaining)\b|\bremaining time\b"
        r"|сколько[^.?!\n]{0,30}(?:времен|минут|осталось)|времени[^.?!\n]{0,15}остал|остал\w+ врем",
    ),
    (
        Intent.ATTEMPTS,
        r"\bhow many\b[^.?!\n]{0,30}\b(?:attempts?|tries|submissions?|checks?)\b"
        r"|\b(?:attempts?|tries) (?:left|remaining)\b|сколько[^.?!\n]{0,30}попыт|остал\w+ попыт"
        r"|попыт\w+ остал",
    ),
    (
        Intent.SKIP,
        r"\b(?:skip|another task|next (?:task|problem|question)|different (?:task|problem))\b"
        r"|пропусти|пропуск|следующ\w+ (?:задач|задани|вопрос)|друг\w+ (?:задач|задани)",
    ),
    (
        Intent.FINISH,
        r"\b(?:finish|end|stop|quit|leave)\b[^.?!\n]{0,20}\b(?:interview|session)\b|\bi(?:'m| am) done with\b"
        r"|заверш\w+|законч\w+ (?:интервью|собесед|сесси)|хватит|хочу уйти",
    ),
    (
        Intent.WHY,
        r"\bwhy\b[^?\n]{0,60}\b(?:fail\w*|wrong|not (?:pass|work)\w*|doesn'?t|didn'?t|rejected|error)"
        r"|\bwhat(?:'s| is| went)?\b[^?\n]{0,20}\bwrong\b|\bwhich tests?\b|\bwhat fail\w*"
        r"|\b(?:doesn'?t|does not|not) (?:pass|work)\w*"
        r"|почему|что не так|что пошло не так|не проход\w+|не работает|как\w+ тест|в чем (?:ошибка|проблема)",
    ),
    (
        Intent.LIMITS,
        r"\b(?:time|memory|output) limits?\b|\bconstraints?\b|\bwhich languages?\b|\bwhat languages?\b"
        r"|\bin (?:python|javascript|js)\s*\?|\bcan i use\b"
        r"|ограничени|лимит|на каком языке|как\w+ язык|можно ли (?:использовать|на )|можно использовать",
    ),
    (
        Intent.EXAMPLE,
        r"\bexamples?\b|\bsample\b|\b(?:input|output) (?:format|look)\b|\bwhat(?:'s| is) the (?:input|output)\b"
        r"|пример|формат (?:ввод|вход|вывод|выход)|что на (?:входе|выходе|вход|выход)",
    ),
    (
        Intent.EXPLAIN,
        r"\b(?:explain|clarify|rephrase|describe|elaborate)\b|\bwhat (?:do|does|should|am|is|are)\b"
        r"[^?\n]{0,30}\b(?:task|problem|do|mean|statement|asked|required|supposed)\b"
        r"|\b(?:don'?t|do not|didn'?t|not) (?:understand|get (?:it|the))\b|\bconfus\w+|\bunclear\b"
        r"|объясни|поясни|разъясни|расскажи(?:те)? (?:про|о)|перефраз|услови|непонятн"
        r"|не (?:понял|понимаю|ясно)|что (?:нужно|надо|требуется|от меня)|в чем (?:задача|суть)|уточни",
    ),
    (
        Intent.RULES,
        r"\b(?:rules|allowed|google|look up|documentation|docs)\b|\bhow (?:does|will|do) (?:this|the|it|i)\b"
        r"|правил|можно ли|разрешен|гугл|документац|как (?:это |тут |здесь )?(?:проходит|устроен|работает)",
    ),
    (
        Intent.WHO,
        r"\b(?:who are you|are you (?:a |an )?(?:bot|robot|ai|human|real|person|llm|chatgpt|gpt))\b"
        r"|\byour name\b|кто ты|кто вы|(?:ты|вы) (?:бот|робот|человек|нейросет|ии\b)|как (?:тебя|вас) зовут",
    ),
    (
        Intent.COMPLEXITY,
        r"\bo\s?\([^)]{1,20}\)|\bcomplexity\b|\b(?:linear|quadratic|logarithmic|constant|linearithmic) time\b"
        r"|\bbig[- ]?o\b|сложност|за линейн|за квадрат|за логарифм|\bо\s?\([^)]{1,20}\)",
    ),
    (
        Intent.APPROACH,
        r"\b(?:approach|idea|plan|strategy|algorithm)\b|\bi(?:'ll| will|'d| would| think| thought|'m going| want| use\w*)\b"
        r"|\bfirst\b[^.\n]{0,60}\bthen\b|\b(?:hash ?map|dictionary|two pointers|binary search|recurs\w+|"
        r"dynamic programming|dp|sort(?:ed|ing)?|stack|queue|heap|bfs|dfs|greedy|prefix sums?|sliding window|"
        r"group by|join|index|window function|cte)\b"
        r"|подход|идея|план|алгоритм|я бы|буду|думаю|хочу|использу|сначала|потом|сортир|словар|хеш|хэш|стек"
        r"|очеред|рекурс|двоичн|бинарн\w+ поиск|динамик|жадн|указател|куч[аеу]\b|обход|префиксн|окн[оа]",
    ),
    (
        Intent.SMALL_TALK,
        r"\bhow are you\b|\bhow(?:'s| is) it going\b|\bweather\b|\bnervous\b|\bnice to meet\b|\btired\b"
        r"|как (?:ты|вы|у (?:тебя|вас)) ?(?:дела)?\??$|как дела|погод|волнуюсь|нервнича|приятно познаком|устал",
    ),
    (Intent.THANKS, r"\b(?:thanks?|thank you|thx|cheers)\b|спасибо|благодар"),
    (
        Intent.HELLO,
        r"^\W*(?:hi|hello|hey|good (?:morning|day|afternoon|evening)|greetings)\b"
        r"|^\W*(?:привет|здравствуй|добр\w+ (?:день|утро|вечер)|хай\b)",
    ),
    (
        Intent.READY,
        r"^\W*(?:ok(?:ay)?|yes|yep|yeah|sure|ready|let'?s (?:go|start|begin)|got it|i see|understood|fine|no)\b"
        r"|^\W*(?:да|ага|угу|ок(?:ей)?|хорошо|готов\w?|поехали|начн[её]м|начинаем|понял\w?|понятно|ясно|ладно|нет)\b",
    ),
)
_COMPILED = tuple((intent, re.compile(pattern)) for intent, pattern in _PATTERNS)
_DECLINES = re.compile(
    r"\b(?:no|without|don'?t (?:need|want|give)|do not (?:need|want|give))\s+(?:me\s+)?(?:a |any |the |your )?"
    r"(?:hints?|help)\b"
    r"|(?:не (?:нужн\w+|надо|хочу|давай(?:те)?)|без)\s+(?:мне\s+)?(?:подсказ\w+|помощ\w+)"
    r"|(?:подсказ\w+|помощь) (?:пока )?не (?:нужн\w+|надо)"
)


def detect(text: str) -> Intent:
    """The intent of a message; `OTHER` when no words give it away. Reads the first 2,000 chars."""
    words = unicodedata.normalize("NFKC", text[:MAX_READ]).casefold()
    words = words.replace("ё", "е").replace("’", "'")
    if _DECLINES.search(words):
        return Intent.READY
    for intent, pattern in _COMPILED:
        if pattern.search(words):
            return intent
    return Intent.OTHER
