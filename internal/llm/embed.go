package llm

// Task says what embeddings are for, where a dialect has a word for it.
type Task uint8

// The tasks. TaskNone leaves the choice to the provider.
const (
	TaskNone           Task = iota
	TaskQuery               // a query that is to find documents
	TaskDocument            // a document that is to be found
	TaskSimilarity          // texts that are compared with each other
	TaskClassification      // input of a classifier
	TaskClustering          // texts that are put into groups
	TaskQuestion            // a question that documents answer
	TaskFact                // a claim that documents prove or refute
	TaskCode                // a question that code answers
)

// String returns the task's name for messages to people.
func (t Task) String() string {
	names := [...]string{"none", "query", "document", "similarity", "classification", "clustering", "question", "fact", "code"}
	if int(t) >= len(names) {
		return "unknown"
	}
	return names[t]
}

// EmbedInput is one text to be embedded: as text, or as the tokens of the model's own vocabulary.
type EmbedInput struct {
	Text   string
	Tokens []int64 // not nil: in place of Text
}

// Embed is what an embeddings request asks for, in the words of no dialect. It shares no memory with the body.
type Embed struct {
	Model      string
	Inputs     []EmbedInput // at least one
	Single     bool         // the client sent one input that is no list, where its dialect tells that apart in the answer
	Dimensions int64        // 0 leaves the choice to the provider
	Base64     bool         // the client wants vectors as base64 of little-endian float32, not as numbers
	Task       Task
	Title      string // of a document, for dialects that have it (Gemini)
	// Truncate says what becomes of an input that is too long: "" leaves it to the provider, "none" is an error, "start"
	// and "end" say which side is cut off.
	Truncate string
	User     string

	// Extra are members of the request that have no word here; see Chat.Extra.
	Extra []Member
}

// Embedded is the answer to an Embed: a vector for each input, in the order of the inputs.
type Embedded struct {
	ID       string
	Model    string
	Vectors  [][]float32
	Usage    Usage
	HasUsage bool
}

// RerankDocument is one document of a rerank request: a text, or an object with fields of the caller's.
type RerankDocument struct {
	Text   string
	Object string // JSON object as the client sent it; empty for a plain text
}

// Rerank is what a rerank request asks for, in the words of no dialect. It shares no memory with the body.
type Rerank struct {
	Model           string
	Query           string
	Documents       []RerankDocument // at least one
	TopN            int64            // how many results the client wants; 0 for all
	ReturnDocuments bool             // results repeat their documents
	MaxDocTokens    int64            // what of each document counts; 0 leaves it to the provider
	Truncate        string           // as in Embed
	Extra           []Member
}

// RankedResult is one document of a Ranked.
type RankedResult struct {
	Index int // of the document in the request
	Score float64
	// Document is JSON, as the provider repeated it; empty if it did not.
	Document string
}

// Ranked is the answer to a Rerank, best document first.
type Ranked struct {
	ID          string
	Model       string
	Results     []RankedResult
	Usage       Usage
	HasUsage    bool
	SearchUnits int64 // what Cohere bills; 0 if not said
}
