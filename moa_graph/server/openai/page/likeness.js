// Which proposals a sentence is like, by the words that they share. It is no more than that: it can't tell where a
// sentence comes from, or whether it is true.

const ENOUGH = 0.5; // share of a sentence's words that a proposal must hold
const MOST = 4; // proposals that are named for one sentence

const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** Short words are everywhere; they count only where a sentence has no others. */
const tellingWords = (text) => {
  const words = wordsOf(text);
  const long = words.filter((word) => word.length > 3 || /\d/.test(word));
  return new Set(long.length ? long : words);
};

export function sentencesOf(text) {
  const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });
  return text.split(/\n+/).flatMap((line) => [...segmenter.segment(line)].map((part) => part.segment.trim()))
    .filter((sentence) => wordsOf(sentence).length > 0);
}

/** Each sentence with the proposals that hold at least half of its words, the most alike first. */
export function standing(answer, proposals) {
  const held = proposals.map((proposal) => ({ ...proposal, words: new Set(wordsOf(proposal.text)) }));
  return sentencesOf(answer).map((sentence) => {
    const words = [...tellingWords(sentence)];
    const alike = held
      .map(({ name, stage, words: there }) => ({
        name, stage, share: words.filter((word) => there.has(word)).length / words.length,
      }))
      .filter(({ share }) => share >= ENOUGH)
      .sort((one, two) => two.share - one.share)
      .slice(0, MOST);
    return { sentence, alike };
  });
}
