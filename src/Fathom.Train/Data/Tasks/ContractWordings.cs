namespace Fathom.Train.Data.Tasks;

/// <summary>What the value of a clause looks like.</summary>
internal enum ClauseValue
{
    Date,
    Pounds,
    Days,
    Name,
    PerCent,
}

/// <summary>Something a contract settles, with wordings of the clause and of the question. {v} is the value; {a} and {b} are the parties.</summary>
internal sealed record ContractTopic(string Name, ClauseValue Value, string[] Clauses, string[] Questions)
{
    /// <summary>With the wordings of one split only.</summary>
    public ContractTopic Of(Split split) => this with { Clauses = Splits.Of(Clauses, split), Questions = Splits.Of(Questions, split) };
}

/// <summary>Something a contract settles that one noun names; <see cref="Splits"/> parts them by the noun.</summary>
internal sealed record ContractTerm(string Name, ClauseValue Value);

/// <summary>The wordings of contracts; <see cref="Splits"/> parts each list of eight.</summary>
internal static class ContractWordings
{
    public static ContractTopic[] Topics { get; } =
    [
        new("beginning", ClauseValue.Date,
            ["This agreement takes effect on {v}.", "The term begins on {v}.", "It is binding from {v} onwards.", "The parties are bound as of {v}.",
             "Performance starts on {v}.", "The contract enters into force on {v}.", "From {v} the duties below apply.", "The engagement commences on {v}."],
            ["When does it take effect?", "On which date does the term begin?", "From which day is it binding?", "What is the starting date?",
             "As of when are the parties bound?", "When does performance start?", "From what day do the duties apply?", "When does the engagement commence?"]),
        new("end", ClauseValue.Date,
            ["It ends on {v}.", "The term expires on {v}.", "Nothing is owed after {v}.", "The last day of the term is {v}.",
             "The engagement runs until {v}.", "Unless renewed it lapses on {v}.", "The arrangement closes on {v}.", "It remains in force through {v}."],
            ["When does it end?", "On which date does the term expire?", "What is the last day of the term?", "Until when does the engagement run?",
             "When does it lapse?", "After which day is nothing owed?", "When does the arrangement close?", "Through which date does it remain in force?"]),
        new("price", ClauseValue.Pounds,
            ["{a} pays {v} for the work.", "The price is {v}.", "For all services the fee shall be {v}.", "{b} receives {v} in total.",
             "The consideration amounts to {v}.", "A sum of {v} is due on completion.", "Payment of {v} settles all claims.", "The agreed remuneration is {v}."],
            ["What is the price?", "How much is paid for the work?", "What is the fee?", "What does {b} receive in total?",
             "How high is the consideration?", "Which sum is due on completion?", "What payment settles all claims?", "What is the agreed remuneration?"]),
        new("deposit", ClauseValue.Pounds,
            ["A deposit of {v} is paid in advance.", "{a} leaves {v} as security.", "As a pledge {v} is handed over.", "The advance is {v}.",
             "Before any work {v} must be lodged.", "{v} is retained as a guarantee.", "A down payment of {v} is required.", "The security amounts to {v}."],
            ["How high is the deposit?", "What does {a} leave as security?", "What is handed over as a pledge?", "How much is the advance?",
             "Which sum must be lodged before any work?", "What is retained as a guarantee?", "What down payment is required?", "To what does the security amount?"]),
        new("notice", ClauseValue.Days,
            ["Either party may withdraw with {v} of notice.", "The notice period is {v}.", "Termination requires {v} of warning.", "It can be ended by giving {v} of notice.",
             "Whoever withdraws must say so {v} before.", "A party leaves after {v} of written warning.", "Notice of {v} is to be observed.", "Cancellation becomes good after {v}."],
            ["How long is the notice period?", "How much notice must be given?", "How much warning does termination require?", "How long before must a party say that it withdraws?",
             "After how long may a party leave?", "What notice ends it?", "What notice is to be observed?", "After what time is cancellation good?"]),
        new("payment", ClauseValue.Days,
            ["Bills are paid within {v}.", "{a} settles each invoice after {v} at the latest.", "Payment falls due {v} after delivery.", "The time for payment is {v}.",
             "An account is overdue after {v}.", "Invoices are to be met within {v}.", "Money is owed no later than {v} after the bill.", "Remittance must arrive within {v}."],
            ["Within what time are bills paid?", "When does payment fall due after delivery?", "How long is the time for payment?", "After how long is an account overdue?",
             "By when must an invoice be settled?", "How long may payment take?", "How late may money be owed after the bill?", "Within what time must remittance arrive?"]),
        new("interest", ClauseValue.PerCent,
            ["Late sums bear interest of {v}.", "On arrears {v} is charged.", "Delay costs {v} a year.", "Overdue amounts grow by {v}.",
             "Default interest is {v}.", "A surcharge of {v} is added when payment is late.", "The penalty on late payment is {v}.", "Unpaid balances carry {v} yearly."],
            ["What interest do late sums bear?", "What is charged on arrears?", "What does delay cost?", "By how much do overdue amounts grow?",
             "How high is default interest?", "What surcharge is added to late payment?", "What is the penalty on late payment?", "What do unpaid balances carry?"]),
        new("court", ClauseValue.Name,
            ["Disputes are heard at {v}.", "The court of {v} decides any quarrel.", "The place of jurisdiction is {v}.", "Suits are brought in {v} only.",
             "Any claim goes before the judges of {v}.", "Differences are settled at {v}.", "The seat of arbitration is {v}.", "Legal action lies in {v} alone."],
            ["Where are disputes heard?", "Which court decides a quarrel?", "What is the place of jurisdiction?", "Where are suits brought?",
             "Before whose judges does a claim go?", "Where are differences settled?", "What is the seat of arbitration?", "Where does legal action lie?"]),
        new("agent", ClauseValue.Name,
            ["The contact for all matters is {v}.", "{b} is represented by {v}.", "Letters go to {v}.", "{v} acts for {b} under this paper.",
             "The person in charge is {v}.", "Questions are put to {v}.", "{v} supervises the work.", "The appointed delegate is {v}."],
            ["Who is the contact for all matters?", "By whom is {b} represented?", "To whom do letters go?", "Who acts for {b}?",
             "Who is the person in charge?", "To whom are questions put?", "Who supervises the work?", "Who is the appointed delegate?"]),
    ];

    /// <summary>What one noun names: the question has the noun of the clause, whatever else differs.</summary>
    public static ContractTerm[] Terms { get; } =
    [
        new("rent", ClauseValue.Pounds), new("bonus", ClauseValue.Pounds), new("premium", ClauseValue.Pounds),
        new("allowance", ClauseValue.Pounds), new("commission", ClauseValue.Pounds), new("salary", ClauseValue.Pounds),
        new("royalty", ClauseValue.Pounds), new("subsidy", ClauseValue.Pounds), new("fine", ClauseValue.Pounds),
        new("toll", ClauseValue.Pounds), new("pension", ClauseValue.Pounds), new("freight", ClauseValue.Pounds),
        new("postage", ClauseValue.Pounds), new("duty", ClauseValue.Pounds), new("tax", ClauseValue.Pounds),
        new("levy", ClauseValue.Pounds), new("refund", ClauseValue.Pounds), new("stipend", ClauseValue.Pounds),
        new("retainer", ClauseValue.Pounds), new("tuition", ClauseValue.Pounds), new("wage", ClauseValue.Pounds),
        new("ransom", ClauseValue.Pounds), new("dowry", ClauseValue.Pounds), new("fare", ClauseValue.Pounds),
        new("trial period", ClauseValue.Days), new("grace period", ClauseValue.Days), new("delivery time", ClauseValue.Days),
        new("warranty", ClauseValue.Days), new("storage time", ClauseValue.Days), new("annual leave", ClauseValue.Days),
        new("response time", ClauseValue.Days), new("repair time", ClauseValue.Days), new("rest period", ClauseValue.Days),
        new("quarantine", ClauseValue.Days), new("inspection time", ClauseValue.Days), new("loan period", ClauseValue.Days),
        new("season", ClauseValue.Days), new("voyage", ClauseValue.Days), new("apprenticeship", ClauseValue.Days),
        new("discount", ClauseValue.PerCent), new("rebate", ClauseValue.PerCent), new("share of profits", ClauseValue.PerCent),
        new("tolerance", ClauseValue.PerCent), new("humidity", ClauseValue.PerCent), new("alcohol content", ClauseValue.PerCent),
        new("moisture", ClauseValue.PerCent), new("quota", ClauseValue.PerCent), new("margin", ClauseValue.PerCent),
        new("loss in transit", ClauseValue.PerCent), new("yield", ClauseValue.PerCent), new("breakage", ClauseValue.PerCent),
        new("witness", ClauseValue.Name), new("guarantor", ClauseValue.Name), new("surveyor", ClauseValue.Name),
        new("notary", ClauseValue.Name), new("trustee", ClauseValue.Name), new("auditor", ClauseValue.Name),
        new("carrier", ClauseValue.Name), new("architect", ClauseValue.Name), new("tutor", ClauseValue.Name),
        new("foreman", ClauseValue.Name), new("steward", ClauseValue.Name), new("physician", ClauseValue.Name),
        new("pilot", ClauseValue.Name), new("captain", ClauseValue.Name), new("translator", ClauseValue.Name),
        new("printer", ClauseValue.Name), new("miller", ClauseValue.Name), new("baker", ClauseValue.Name),
    ];

    // {n} is the noun.
    private static readonly string[] s_termClauses =
    [
        "The {n} is {v}.", "As {n} the parties name {v}.", "{v} is fixed as the {n}.", "The {n} shall be {v}.",
        "For the {n} they settled on {v}.", "The {n} is set at {v}.", "{v} counts as the {n}.", "The {n} agreed upon is {v}.",
    ];

    private static readonly string[] s_termQuestions =
    [
        "What is the {n}?", "What do the parties name as {n}?", "Name the {n}.", "What shall the {n} be?",
        "What was settled for the {n}?", "And the {n}?", "What counts as the {n}?", "Which {n} was agreed upon?",
    ];

    // Beside the six of the list for training.
    private static readonly string[] s_trainingClauses =
    [
        "The {n} comes to {v}.", "The {n} was fixed at {v}.", "They agree on {v} as the {n}.", "{v} is what they call the {n}.", "The {n} under this paper is {v}.",
        "Let the {n} be {v}.", "The {n} remains {v}.", "The parties set the {n} to {v}.", "The {n} to be given is {v}.", "The {n} named here is {v}.",
        "By this paper the {n} is {v}.", "The {n} chosen is {v}.", "The {n} owed to the other side is {v}.", "Under the heading of {n} they wrote {v}.",
    ];

    private static readonly string[] s_trainingQuestions =
    [
        "What does the {n} come to?", "To what was the {n} fixed?", "What did they agree on as the {n}?", "What do they call the {n}?", "What is the {n} under this paper?",
        "What {n} remains?", "To what do the parties set the {n}?", "What {n} is to be given?", "Which {n} is named here?", "Tell me the {n}.", "I ask for the {n}.",
        "Say what the {n} is.", "Which {n} was chosen?", "Which {n} is owed to the other side?", "What did they write under the heading of {n}?",
    ];

    /// <summary>A term as a topic with the wordings of a split.</summary>
    public static ContractTopic Topic(ContractTerm term, Split split)
    {
        string[] Named(string[] all, string[] more) =>
            [.. Splits.Of(all, split).Concat(split == Split.Training ? more : []).Select(wording => wording.Replace("{n}", term.Name, StringComparison.Ordinal))];
        return new(term.Name, term.Value, Named(s_termClauses, s_trainingClauses), Named(s_termQuestions, s_trainingQuestions));
    }

    /// <summary>Clauses that settle nothing one could ask for.</summary>
    public static string[] Boilerplate { get; } =
    [
        "Changes must be made in writing.", "Neither party may assign its rights without consent.", "Both parties keep the other's affairs secret.",
        "If one clause is void the others stand.", "Headings are for convenience only.", "Silence is never consent.",
        "No party answers for storms, war or flood.", "Each side bears its own costs.",
    ];

    /// <summary>The line over a contract.</summary>
    public static string[] Titles { get; } =
    [
        "Agreement between {a} and {b}.", "{a} and {b} agree as follows.", "Contract made by {a} with {b}.", "Between {a} of the one part and {b} of the other part:",
        "Articles agreed upon by {a} and {b}.", "{a} engages {b} on these terms.", "Deed of {a} and {b}.", "Terms of business of {a} with {b}.",
    ];

    /// <summary>Which contract a question is about.</summary>
    public static string[] Scopes { get; } =
    [
        "In the agreement between {a} and {b}: ", "About the contract of {a} with {b}. ", "Look at the terms of {a} and {b}. ", "{a} and {b}: ",
        "As to {a} and {b}: ", "Concerning the paper of {a} and {b}: ", "For the deal of {a} with {b}: ", "What was settled by {a} and {b}? ",
    ];
}
