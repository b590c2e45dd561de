namespace Fathom.Train.Data.Tasks;

/// <summary>A way to state facts and to ask for them. {k} is the key, {v} the value; a question ends where the value begins.</summary>
/// <param name="Fact">begins with a blank and ends with a full stop</param> <param name="Question">ends with a blank; the value and a full stop follow</param>
internal sealed record Wording(string Fact, string Question);

/// <summary>The wordings of the retrieval tasks; <see cref="Splits"/> parts each list.</summary>
internal static class Wordings
{
    /// <summary>A pass key: short and plain.</summary>
    public static Wording[] PassKey { get; } =
    [
        new(" The pass key of {k} is {v}.", " What is the pass key of {k}? The pass key of {k} is "),
        new(" Remember that {k} has the number {v}.", " Which number has {k}? The number of {k} is "),
        new(" The code for {k} is {v}.", " Say the code for {k}. The code for {k} is "),
        new(" {k} answers to the number {v}.", " To which number does {k} answer? {k} answers to the number "),
        new(" Let it be known that the secret of {k} is {v}.", " What is the secret of {k}? The secret of {k} is "),
        new(" For {k} the figure is {v}.", " Give the figure for {k}. For {k} the figure is "),
        new(" The lock of {k} opens with {v}.", " With what does the lock of {k} open? The lock of {k} opens with "),
        new(" Whoever asks for {k} must say {v}.", " What must be said by one who asks for {k}? Whoever asks for {k} must say "),
        new(" The mark of {k} is {v}.", " Tell me the mark of {k}. The mark of {k} is "),
        new(" Under {k} the register has {v}.", " What has the register under {k}? Under {k} the register has "),
        new(" {k} is filed as {v}.", " How is {k} filed? {k} is filed as "),
        new(" The word for {k} is {v}.", " What is the word for {k}? The word for {k} is "),
        new(" Number {v} belongs to {k}.", " Which number belongs to {k}? The one that belongs to {k} is "),
        new(" They gave {k} the number {v}.", " Which number did they give {k}? They gave {k} the number "),
        new(" The entry of {k} reads {v}.", " How does the entry of {k} read? The entry of {k} reads "),
        new(" Against {k} stands the figure {v}.", " Which figure stands against {k}? Against {k} stands the figure "),
    ];

    /// <summary>A needle: a sentence that could stand in a story.</summary>
    public static Wording[] Needle { get; } =
    [
        new(" In the house of {k} there were {v} lamps.", " How many lamps were in the house of {k}? In the house of {k} there were "),
        new(" {k} had sold {v} sheep before the winter came.", " How many sheep had {k} sold? The sheep that {k} had sold were "),
        new(" It was said that {k} owned {v} acres by the river.", " How many acres did {k} own? The acres that {k} owned were "),
        new(" At the feast of {k} they counted {v} guests.", " How many guests came to the feast of {k}? At the feast of {k} they counted "),
        new(" {k} walked {v} miles to the sea.", " How far did {k} walk? {k} walked miles to the number of "),
        new(" The library of {k} held {v} books.", " How many books did the library of {k} hold? The library of {k} held "),
        new(" {k} paid {v} pounds for the carriage.", " What did {k} pay? The pounds that {k} paid were "),
        new(" A letter from {k} named {v} witnesses.", " How many witnesses did the letter from {k} name? The letter from {k} named "),
        new(" The ship of {k} carried {v} barrels.", " How many barrels did the ship of {k} carry? The ship of {k} carried "),
        new(" {k} planted {v} trees along the road.", " How many trees did {k} plant? The trees that {k} planted were "),
        new(" There are {v} steps to the tower of {k}.", " How many steps lead to the tower of {k}? The steps to the tower of {k} are "),
        new(" {k} waited {v} days for an answer.", " How many days did {k} wait? The days that {k} waited were "),
        new(" The well of {k} is {v} feet deep.", " How deep is the well of {k}? The feet of the well of {k} are "),
        new(" {k} brought {v} horses to the fair.", " How many horses did {k} bring? The horses that {k} brought were "),
        new(" On the shelf of {k} stood {v} jars.", " How many jars stood on the shelf of {k}? On the shelf of {k} stood "),
        new(" The bells of {k} rang {v} times.", " How often did the bells of {k} ring? The times that the bells of {k} rang were "),
    ];

    /// <summary>Bare pairs: what came behind the key before comes again.</summary>
    public static Wording[] Induction { get; } =
    [
        new(" {k} {v}.", " {k} "),
        new(" {k}: {v}.", " {k}: "),
        new(" {k} = {v}.", " {k} = "),
        new(" {k} -> {v}.", " {k} -> "),
        new(" ({k}, {v}).", " ({k}, "),
        new(" {k} / {v}.", " {k} / "),
        new(" {k} goes with {v}.", " {k} goes with "),
        new(" {k}, then {v}.", " {k}, then "),
    ];

    /// <summary>A chain: {k} is a new variable, {v} a number or an earlier variable. The question asks for the number.</summary>
    public static Wording[] Variables { get; } =
    [
        new(" Let {k} be {v}.", " What number is {k}? {k} is "),
        new(" {k} is set to {v}.", " The number behind {k} is "),
        new(" {k} takes the value of {v}.", " Follow {k} to its number: "),
        new(" Now {k} equals {v}.", " In the end {k} equals "),
        new(" Write {k} for {v}.", " {k} was written for the number "),
        new(" {k} stands for {v}.", " {k} stands in the end for "),
        new(" Assign {v} to {k}.", " Resolve {k} to a number: "),
        new(" {k} becomes {v}.", " After all steps {k} has become "),
    ];

    /// <summary>Asks for all numbers of a key.</summary>
    public static string[] Lists { get; } =
    [
        " Name all numbers of {k}, the first one first: ",
        " Which numbers has {k}? They are ",
        " All that was said of {k}: ",
        " In their order the numbers of {k} are ",
        " Say every number that belongs to {k}: ",
        " {k} has these numbers: ",
        " The full list for {k} is ",
        " Collect what is known of {k}: ",
    ];
}
