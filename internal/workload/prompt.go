package workload

import "math/bits"

// Prompter makes the texts of a run's requests: synthetic ones of exactly the length that is asked for in tokens of
// o200k_base and cl100k_base, which is also what model.EstimateTokens says of their size; or those of a file. It
// holds no state: the same slot gives the same text. Safe for concurrent use.
//
// What may be found in a prefix cache is only what the workload says: the words of every other text come from the run's
// whole Key and the request's number, from the first word on. The warm-up has words of its own.
type Prompter struct {
	design    *design
	words     *lexicon
	run, warm source
}

// NewPrompter returns the prompter of a run.
func NewPrompter(w *Workload, key Key) *Prompter {
	return &Prompter{w.design(key), newLexicon(), key.own("prompts"), key.own("warm-up prompts")}
}

// The places of sources below that of a run.
const (
	wordsPrefix = iota
	wordsBlock
	wordsRequest
	wordsTalk
	wordsUnique
)

// The roles of messages.
const (
	roleSystem    = "system"
	roleUser      = "user"
	roleAssistant = "assistant"
)

// request is an ending that asks for something in words. tokens is its length; it has four bytes for each.
type request struct {
	text   string
	tokens int
}

// ending returns what a text ends with, by its kind. Without it, models answer a heap of words by a short question.
func ending(k Kind) request {
	switch k {
	case Chat:
		return request{" -- Now write a story about all of this, as long as possible, and do not stop early.", 21}
	case Tools:
		return request{" -- For every word, call one of the tools that you have.", 14}
	case Structured:
		return request{" -- Put all text in JSON as the schema has it. Say nothing more.", 16}
	}
	return request{}
}

// writer appends text. Lengths are in tokens.
type writer struct {
	words *lexicon
	buf   []byte
	begin int // of the message
	owed  int // four bytes for each token, less the bytes: 0..3
	roles []string
	ends  []int
}

// write appends n words of a source. A longer text of the same source begins with the shorter one.
func (w *writer) write(src source, n int) {
	for i := range uint64(max(n, 0)) {
		pieces := w.words.next[w.owed]
		if len(w.buf) == w.begin {
			pieces = w.words.first
		}
		hi, _ := bits.Mul64(src.bits(i), uint64(len(pieces)))
		piece := pieces[hi]
		w.buf = append(w.buf, piece...)
		w.owed += 4 - len(piece)
	}
}

// ask appends n words, the last of them the request of the kind if that leaves most of the text to the words.
func (w *writer) ask(src source, n int, k Kind) {
	end := ending(k)
	if n < 2*end.tokens {
		w.write(src, n)
		return
	}
	w.write(src, n-end.tokens)
	w.buf = append(w.buf, end.text...)
}

// close ends a message.
func (w *writer) close(role string) {
	w.roles, w.ends = append(w.roles, role), append(w.ends, len(w.buf))
	w.begin, w.owed = len(w.buf), 0
}

func (w *writer) messages() []Message {
	all, from := string(w.buf), 0
	out := make([]Message, len(w.roles))
	for i, end := range w.ends {
		out[i], from = Message{w.roles[i], all[from:end]}, end
	}
	return out
}

// Messages returns the messages of a slot: the prefix as a system message, the earlier turns with answers of the planned
// length, and the user's text. For Embeddings there is one, the input. Together they have Slot.Input tokens, not counting
// what a server adds around each.
func (p *Prompter) Messages(s Slot) []Message {
	src := p.run
	if s.Phase == Warmup {
		src = p.warm
	}
	d := p.design
	if d.Corpus != nil && s.Row >= 0 {
		return p.fromCorpus(src, s)
	}
	w := &writer{words: p.words, buf: make([]byte, 0, 4*int(s.Input)+4)}
	switch {
	case d.Trace != nil && d.Trace.block > 0 && s.Row >= 0:
		p.fromBlocks(w, src, s)
	case d.Turns.given() && s.Kind != Embeddings && s.Row < 0:
		p.conversation(w, src, s)
	default:
		own := src.at(wordsRequest).at(uint64(s.Index)).at(0)
		if s.Group >= 0 {
			w.write(src.at(wordsPrefix).at(uint64(s.Group)), int(s.Shared))
			if d.Prefix.Block == 0 && s.Kind != Embeddings {
				w.close(roleSystem)
			}
		} else {
			s.Shared = 0
		}
		w.ask(own, int(s.Input-s.Shared), s.Kind)
		w.close(roleUser)
	}
	return w.messages()
}

// conversation writes all turns up to that of the slot.
func (p *Prompter) conversation(w *writer, src source, s Slot) {
	t := p.design.talk(talk{}, int64(s.Group), -1)
	own := src.at(wordsTalk).at(uint64(s.Group))
	if t.group >= 0 {
		prefix := src.at(wordsPrefix).at(uint64(t.group))
		if t.system > 0 {
			w.write(prefix, int(t.system))
			w.close(roleSystem)
		} else {
			w.write(prefix, int(t.slots[0].Shared))
			t.in[0] -= t.slots[0].Shared
		}
	}
	for turn := range min(int(s.Turn)+1, len(t.in)) {
		if turn > 0 && t.slots[turn-1].Output > 0 {
			w.write(own.at(uint64(2*turn-1)), int(t.slots[turn-1].Output))
			w.close(roleAssistant)
		}
		w.ask(own.at(uint64(2*turn)), int(t.in[turn]), s.Kind)
		w.close(roleUser)
	}
}

// fromBlocks writes the blocks of a trace's row: equal leading ids give equal leading text.
func (p *Prompter) fromBlocks(w *writer, src source, s Slot) {
	left := int(s.Input)
	end := ending(s.Kind)
	if left >= 2*end.tokens {
		left -= end.tokens
	} else {
		end = request{}
	}
	for _, id := range p.design.Trace.blocks(s.Row) {
		n := min(left, int(p.design.Trace.block))
		w.write(src.at(wordsBlock).at(uint64(id)), n)
		left -= n
	}
	w.write(src.at(wordsRequest).at(uint64(s.Index)), left)
	w.buf = append(w.buf, end.text...)
	w.close(roleUser)
}

// uniqueTokens is the length of what makes a prompt of a file unique: words, and an empty line.
const uniqueTokens = 9

func (p *Prompter) fromCorpus(src source, s Slot) []Message {
	out := append([]Message(nil), p.design.Corpus.lines[s.Row].messages...)
	if p.design.Prompt.Unique {
		w := &writer{words: p.words}
		w.write(src.at(wordsUnique).at(uint64(s.Index)), uniqueTokens-1)
		out[0].Text = string(w.buf) + "\n\n" + out[0].Text
	}
	return out
}
