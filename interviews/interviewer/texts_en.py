"""What the scripted interviewer says in English: several phrasings of each line."""

from __future__ import annotations

TRACKS = {"algorithms": "algorithms", "backend": "backend", "data": "data"}
LEVELS = {"junior": "junior", "middle": "middle", "senior": "senior"}

TEXTS: dict[str, tuple[str, ...]] = {
    "greeting": (
        "Hello{name}! I will be your interviewer today for the {track} track, {level} level. "
        "We have {minutes}. {expectation} Take the first task whenever you are ready, and think "
        "aloud here: how you get to a solution interests me as much as the solution.",
        "Welcome{name}! This is the {track} interview, {level} level, and it lasts {minutes}. "
        "{expectation} Open the first task when you like. Ask me about anything that is unclear, "
        "and tell me your idea before you write much code.",
    ),
    "expect.junior": (
        "I look for clear thinking and code that works; asking questions never counts against you.",
    ),
    "expect.middle": (
        "Besides working code I will ask about edge cases and about what your solution costs.",
    ),
    "expect.senior": (
        "I will ask about trade-offs, about what it costs and about what would break in production.",
    ),
    "task": (
        "Your next task is “{title}”. You have {minutes} for it and {attempts}. Before you code: "
        "how would you approach it?",
        "Here is “{title}”: {minutes}, {attempts}. Read it through, and tell me in a sentence or "
        "two what your first idea is.",
    ),
    "explain": (
        "In short, “{title}” asks this: {gist}{example} What part would you like to go through "
        "more closely?",
        "Let us take “{title}” apart. The core of it: {gist}{example} Does that make it clearer, or "
        "is there a word in it that still puzzles you?",
    ),
    "explain.example": ("\n\nFor instance, for\n{given}\nthe right result is\n{expected}\n",),
    "example": (
        "Take the test {name}. For\n{given}\nthe result has to be\n{expected}\nCan you say which "
        "step of the statement leads from one to the other?",
        "Here is {name}: given\n{given}\nwe expect\n{expected}\nTry to follow it by hand once; it "
        "usually settles what the statement means.",
    ),
    "example.none": ("This task shows no example; the statement describes the whole format.",),
    "hint": (
        "Hint {number} of {total}: {hint}",
        "Here is hint {number} of {total}. {hint}",
    ),
    "hint.after": (
        "\nTry to take it one step further yourself before you ask for the next one.",
        "\nHow does that change your idea?",
        "",
    ),
    "hint.last": ("\nThat was the last one I have; from here on it is yours.",),
    "hint.none": (
        "You have had all {total} hints for this task. Work through the example {example} by hand "
        "and write down what you do at every step: that list is nearly always the program.",
        "There are no more hints, all {total} are out. Go back to the simplest solution that is "
        "right, however slow, and check that one first.",
    ),
    "hint.empty": (
        "This task comes without prepared hints. Start with the smallest input you can think of, "
        "solve it by hand and say what you did.",
    ),
    "solution": (
        "I will not give you the solution, it has to be your own. I can give you a hint or go "
        "through the statement with you. Which helps more?",
        "That one stays with you: no solution from me. Tell me how far you have come and I will "
        "ask a question that moves you on, or ask for a hint.",
        "Sorry, neither the solution nor the hidden tests. What I can do is explain the task, give "
        "a hint or talk about your idea.",
    ),
    "why.none": (
        "There is no checked attempt yet, so nothing has failed. Run your code on the visible "
        "tests first: they show the input, the expected result and yours.",
    ),
    "time": (
        "There are {session} left in the interview{task}.",
        "You have {session} until the end of the interview{task}.",
    ),
    "time.task": (", and {left} for this task",),
    "time.task.over": (", and the time for this task is over",),
    "time.over": ("The time of the interview is over.",),
    "time.open": ("This interview has no clock running at the moment.",),
    "attempts": (
        "You have {attempts} for this task. Runs on the visible tests are free, so use them first.",
    ),
    "limits": (
        "You may write in {languages}. A run gets {time_s} s of CPU time and {memory_mb} MiB of "
        "memory. The standard library is there, the network is not.",
    ),
    "complexity": (
        "Good that you think about cost. Where does that bound come from: which step is done how "
        "often? And what does it need in memory?",
        "All right. Which part of the program dominates, and would another data structure make "
        "that part cheaper?",
        "Say a little more: what is n here, and what happens to the time when n doubles?",
    ),
    "approach": (
        "That is a direction to work with. What does it cost for the largest input, and which edge "
        "case would break it first?",
        "I see where you are going. How will you know that it is right: which input would you try "
        "to prove yourself wrong?",
        "Sounds workable. What do you keep in memory while you go through the data, and why is "
        "that enough?",
    ),
    "approach.senior": (
        "Fine. Which alternative did you reject, and what made you reject it?",
        "I follow. If this ran for thousands of users a second, which part would hurt first?",
    ),
    "approach.again": (
        "Good. Then write it down and run it on the visible tests; we will talk about what you see.",
        "Makes sense. Try the simplest version first, we can improve it afterwards.",
    ),
    "ask.approach": (
        "How would you approach “{title}”? One or two sentences are enough.",
        "Before you go on: what is your plan for “{title}”, step by step?",
    ),
    "other": (
        "I note that. Where are you with “{title}”: what works already, and what does not yet?",
        "Let us keep an eye on “{title}”. Which step is the least clear to you at the moment?",
        "I am not sure that I follow. Could you tie that to “{title}”? You can also ask me to "
        "explain the task or to give a hint.",
    ),
    "other.no_task": (
        "No task is open right now. Take the next one when you are ready and we will talk about it.",
        "Let us go on with a task: open the next one, and tell me what you make of it.",
    ),
    "skip": (
        "You may give up this task with “Skip”; it counts as not solved and the next one fits what "
        "you have shown so far. {hints}",
    ),
    "skip.hints": ("You still have {hints}, if you would rather try on.",),
    "skip.no_hints": ("There is no shame in it: time is part of the game.",),
    "finish": (
        "You can end the interview yourself with “Finish”; what you have saved stays. You still "
        "have {session}, so there is no hurry.",
    ),
    "rules": (
        "Think aloud, ask me anything, and run your code on the visible tests as often as you "
        "like. A check runs all tests and uses one of your attempts. Hints are free to ask for. "
        "The documentation of the language is fine; a finished solution has to be your own.",
    ),
    "who": (
        "I am the interviewer of this system, a program. People read the record afterwards and "
        "they decide, not I. Shall we go on with the task?",
    ),
    "hello": ("Hello! {next}", "Hi, good to have you here. {next}"),
    "thanks": ("You are welcome. {next}", "Gladly. {next}"),
    "small_talk": (
        "I am fine, thank you. A little nervousness is normal, and a slow start costs nothing. "
        "{next}",
        "All well here. Take a breath, there is no trick in it. {next}",
    ),
    "ready": ("Good. {next}", "All right. {next}", "Fine, go on. {next}"),
    "next.task": (
        "How are you getting on with “{title}”?",
        "What is your next step in “{title}”?",
        "Tell me what you are trying in “{title}”.",
    ),
    "next.no_task": ("Open the next task when you are ready.",),
    "AC": (
        "All {total} tests pass, well done. What does your solution cost in time and in memory, "
        "and why?",
        "Accepted: {passed} of {total}. Tell me in a sentence or two how it works and what its "
        "complexity is.",
        "That is right, all {total} tests agree. Which part would you change if the input were a "
        "thousand times larger?",
    ),
    "AC.senior": (
        "Accepted, all {total} tests. What other design did you consider, and when would it be the "
        "better one?",
        "All {total} tests pass. How would you test and watch this in production, and what would "
        "you simplify before a review?",
    ),
    "AC.more": (" When you have answered, take the next task.", ""),
    "WA.visible": (
        "{passed} of {total} tests pass. Look at {name}: for\n{given}\nwe expect\n{expected}\nand "
        "your program gives\n{actual}\n{question}",
        "Not yet: {passed} of {total}. The test {name} shows it. Input:\n{given}\nexpected:\n"
        "{expected}\nyours:\n{actual}\n{question}",
    ),
    "WA.empty": ("It prints nothing at all here: does it reach the line that prints?",),
    "WA.whitespace": (
        "The words agree and only the white space or the letter case differs: look at the format.",
    ),
    "WA.length": ("It has {actual} values where {expected} are expected: what is lost, or extra?",),
    "WA.near": ("It is off by one: check where your ranges begin and end.",),
    "WA.first": (
        "The first difference is “{actual}” instead of “{expected}”. Where does it arise?",
    ),
    "WA.hidden": (
        "The visible tests pass, {passed} of {total} altogether. A hidden one disagrees. Try "
        "{edge}.",
        "Close: {passed} of {total}, and what fails is not among the visible tests. What does your "
        "program do with {edge}?",
    ),
    "TLE": (
        "It runs out of time: {passed} of {total} within {time_s} s. {loops} How many steps does "
        "it take for the largest input?",
        "Too slow for some tests ({passed} of {total} pass). {loops} What is the complexity, and "
        "which work is done more than once?",
    ),
    "TLE.nested": ("I see loops inside loops, which usually means quadratic time.",),
    "TLE.membership": ("Looking something up in a list costs a pass over it every time.",),
    "TLE.recursion": ("A function that calls itself may solve the same part many times over.",),
    "TLE.endless": ("Not one test finishes, so look for a loop that never ends first.",),
    "TLE.plain": ("The idea may be right and only the cost too high.",),
    "RTE": (
        "The program stops with {error}{line}. {advice} {passed} of {total} tests pass.",
        "It breaks with {error}{line}; {passed} of {total} pass. {advice}",
    ),
    "RTE.line": (" on line {line}",),
    "RTE.unseen": (
        "The program crashes on a hidden test; {passed} of {total} pass. The visible ones are "
        "fine, so think of inputs at the edge: {edge}.",
    ),
    "RTE.signal": (
        "The program was ended by {signal}; {passed} of {total} tests pass. That is most often a "
        "recursion that goes too deep or memory that is not there.",
    ),
    "RTE.exit": (
        "The program ends with exit code {code} instead of 0; {passed} of {total} tests pass. "
        "Where does it end like that, and should it?",
    ),
    "RTE.answer": (
        "The function has given no answer that counts; {passed} of {total} tests pass. What the "
        "judge got instead:\n{reason}\nWhat should it return here?",
    ),
    "CE": (
        "It does not compile: {message}. Mend that first, it costs you nothing to run the visible "
        "tests before the next check.",
        "The compiler stops at: {message}. Look at that line and at the one before it.",
    ),
    "CE.plain": ("It does not compile. Run it on the visible tests to see the message.",),
    "MLE": (
        "It needs more than {memory_mb} MiB; {passed} of {total} tests pass. What do you keep that "
        "you could forget again, or work on as it comes in?",
        "Out of memory at {memory_mb} MiB ({passed} of {total} pass). Which of your collections "
        "grows with the input, and does it have to?",
    ),
    "OLE": (
        "The program prints far more than it should; {passed} of {total} tests pass. Is a debug "
        "print left, or a loop that prints for ever?",
    ),
    "IE": (
        "Something failed on our side, I am sorry. It cost you no attempt and no time. Please "
        "check the same code again in a moment.",
    ),
    "beyond.TLE": (" Hidden tests run out of time as well; begin with the one you can see.",),
    "beyond.MLE": (" Hidden tests run out of memory as well; begin with the one you can see.",),
    "beyond.OLE": (" On hidden tests it prints far too much; begin with the one you can see.",),
    "beyond.RTE": (" On hidden tests it crashes as well; begin with the one you can see.",),
    "left": (" You have {attempts}.",),
    "left.none": (
        " That was the last attempt for this task; take the next one with a fresh mind.",
    ),
    "proof": (
        "One question about the code you sent: what does the line\n{line}\ndo, and what would go "
        "wrong without it?",
        "Please walk me through your last submission, beginning with\n{line}\nWhy is it there?",
    ),
    "proof.plain": (
        "Please explain your last submission in your own words: what happens first, what last, and "
        "why it ends.",
    ),
    "closing": (
        "That is the end of our interview{name}. {result} Thank you for your time and for the "
        "conversation; a person will read all of it and come back to you.",
        "We are done{name}. {result} Thank you, I enjoyed following your thinking. The record goes "
        "to a person now, who decides and will answer you.",
    ),
    "closing.some": ("You solved {accepted} of the {seen} tasks you saw.",),
    "closing.none": (
        "Not every interview ends with a finished task, and how you worked counts too.",
    ),
    "nothing": ("nothing",),
}

EDGES: dict[str, tuple[str, ...]] = {
    "stdio": (
        "the smallest input that is allowed: empty, or a single element",
        "equal values: duplicates and ties",
        "negative numbers and zero",
        "the largest values and the longest input",
        "input that is already in order, and in the opposite order",
    ),
    "function": (
        "an empty argument, or one with a single element",
        "equal values: duplicates and ties",
        "negative numbers and zero",
        "arguments that must not be changed",
        "the largest values and the longest input",
    ),
    "sql": (
        "NULLs in the columns that you compare or count",
        "rows without a partner in the join",
        "ties where you sort or take the first",
        "groups that are empty",
        "duplicate rows",
    ),
}

ERRORS: dict[str, str] = {
    "IndexError": "An index lies outside its list: print the index and the length just before it.",
    "KeyError": "The dictionary lacks that key: when could it be missing, and what should happen then?",
    "ValueError": "A value has not the form that was expected, often when input is read: check what the line really holds.",
    "TypeError": "Two types do not fit together: often text where a number belongs, or a None that came back.",
    "TypeError.javascript": "Two types do not fit together: often a value is undefined or null where you expect an object.",
    "NameError": "A name is used that was never set: a typing error, or a variable of another branch.",
    "UnboundLocalError": "A variable is read before it is set inside the function: look at the branch that skips the assignment.",
    "AttributeError": "The object has no such attribute: often it is None, or of another type than you think.",
    "ZeroDivisionError": "Something is divided by zero: which input makes the divisor zero?",
    "RecursionError": "The recursion goes too deep: is there a base case for every input, or would a loop do?",
    "EOFError": "The program reads more input than there is: count what the statement promises.",
    "ModuleNotFoundError": "That module is not there: only the standard library is.",
    "ImportError": "That import does not work here: only the standard library is there.",
    "AssertionError": "One of your own assertions does not hold: which assumption was wrong?",
    "MemoryError": "It ran out of memory: what grows with the input?",
    "OverflowError": "A number became too large for its type: where does it grow?",
    "StopIteration": "An iterator was asked for more than it had.",
    "UnicodeDecodeError": "Bytes are read in the wrong encoding.",
    "ReferenceError": "A variable is used that was never declared: a typing error, or the wrong scope.",
    "RangeError": "The call stack or an array length went out of range: check the base case of the recursion.",
    "SyntaxError": "The code cannot be parsed: look at that line and the one before it.",
}
ERROR_UNKNOWN = (
    "Read the last lines of stderr: they name the place. Which value was unexpected there?"
)

UNITS = {
    "minute": ("minute", "minutes"),
    "second": ("second", "seconds"),
    "attempt": ("attempt left", "attempts left"),
    "hint": ("hint", "hints"),
}
