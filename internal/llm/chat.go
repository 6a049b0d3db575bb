package llm

import "time"

// Chat is what a chat request asks for, in the words of no dialect. A codec's server end makes it of a body, its client
// end writes it as one. It shares no memory with the body. It is the way between two dialects only: within one, bytes are
// forwarded.
//
// Absent is the zero value throughout. Numbers keep the text that the client wrote.
type Chat struct {
	Model    string
	Messages []Turn // in order; system and developer messages stand where the client put them, instructions first
	Stream   bool
	// StreamUsage says that the client wants usage in the stream, in dialects where that is a choice.
	StreamUsage bool

	Tools      []Function
	ToolChoice ToolChoice
	// LegacyFunctions says that the client spoke of functions, the form before tools (OpenAI's functions and function_call), and
	// reads answers in that form only.
	LegacyFunctions bool
	// Parallel says whether the model may call several tools at once; nil if the client does not say.
	Parallel *bool

	Format Format

	MaxTokens                         int64 // visible and reasoning tokens together; 0 if none
	Choices                           int   // at least 1
	Stop                              []string
	Temperature, TopP, TopK           Number
	FrequencyPenalty, PresencePenalty Number
	Seed                              Number
	Logprobs                          bool
	TopLogprobs                       int
	LogitBias                         string // JSON object by token id of the target's vocabulary

	Reasoning Reasoning
	Verbosity string // low, medium, high

	User             string
	SafetyIdentifier string
	ServiceTier      string // in OpenAI's words: auto, default, flex, priority
	Metadata         string // JSON object
	CacheKey         string // prompt_cache_key

	// Extra are members of the request that have no word here. They cannot be sent to another dialect; the parameter
	// policy says what becomes of them.
	Extra []Member
}

// Number is the text of a JSON number, "" if there is none.
type Number string

// Member is one member of a JSON object.
type Member struct {
	Name  string
	Value string // JSON
}

// Role says who speaks.
type Role uint8

// The roles. A tool's results are a turn of their own (RoleTool), whose parts are all PartToolResult.
const (
	RoleUser Role = iota + 1
	RoleAssistant
	RoleSystem
	RoleDeveloper
	RoleTool
)

// String returns the role's name in OpenAI's words.
func (r Role) String() string {
	switch r {
	case RoleUser:
		return "user"
	case RoleAssistant:
		return "assistant"
	case RoleSystem:
		return "system"
	case RoleDeveloper:
		return "developer"
	case RoleTool:
		return "tool"
	default:
		return "unknown"
	}
}

// Turn is one message.
type Turn struct {
	Role  Role
	Name  string // of the participant, where a dialect has one
	Parts []Part
}

// PartKind is what a part of a message or an answer is.
type PartKind uint8

// The kinds of parts.
const (
	PartText       PartKind = iota + 1
	PartImage               // MIME with Data, or URL, or FileID
	PartFile                // a document: as PartImage, with Name
	PartAudio               // MIME with Data
	PartToolCall            // ID, Name, and Text with the arguments: a JSON object, or free text if Custom
	PartToolResult          // ID of the call, Name if known, Parts with the result, IsError
	PartThinking            // Text and Signature; Text may be empty, then only the signature counts
	PartRedacted            // thinking that only the provider can read: Signature
	PartRefusal             // Text
	PartOther               // of a kind that has no word here: Raw, in the dialect Origin
)

// String returns the kind's name for messages to people.
func (k PartKind) String() string {
	names := [...]string{
		PartText: "text", PartImage: "image", PartFile: "file", PartAudio: "audio", PartToolCall: "tool call", PartToolResult: "tool result",
		PartThinking: "thinking", PartRedacted: "redacted thinking", PartRefusal: "refusal", PartOther: "other",
	}
	if int(k) >= len(names) || names[k] == "" {
		return "unknown"
	}
	return names[k]
}

// Part is one part of a message or of an answer. Which fields it uses depends on its kind.
type Part struct {
	Kind PartKind
	Text string

	MIME   string
	Data   string // base64
	URL    string
	FileID string
	Detail string // of an image: auto, low, high, original

	ID     string // of the tool call, in a call and in its result
	Name   string // of the tool, or of the file
	Custom bool   // a tool call whose input is free text

	Parts   []Part // of a tool's result
	IsError bool

	// Signature proves the part to the provider that made it, and means nothing to others: it goes back to a target of
	// the dialect Origin only. Any part may have one (Gemini signs tool calls).
	Signature string
	// Origin is the dialect that made Signature, Raw or FileID.
	Origin Dialect

	Citations []Citation // of a text

	CacheTTL string // a prompt-cache breakpoint after this part: "5m", "30m", "1h", ...; "" for none
	Raw      string // JSON, of PartOther
}

// Citation is where a part of a text comes from.
type Citation struct {
	URL, Title string
	Quote      string // what is cited; may be empty
	Start, End int    // bytes of the text that rest on it; both 0 if the dialect does not say
}

// Function is a tool that the model may call.
type Function struct {
	Name, Description string
	Parameters        string // JSON schema of the arguments; "" if none
	Strict            *bool
	Custom            bool   // takes free text (OpenAI's custom tools)
	Grammar           string // JSON, of a custom tool
	CacheTTL          string
	// Raw is the whole tool in the dialect Origin where it is none of the client's functions but the provider's own (web search, code
	// execution). Name is then its type.
	Raw    string
	Origin Dialect
}

// ToolMode says whether tools may or must be called.
type ToolMode uint8

// The modes.
const (
	ToolsUnset ToolMode = iota
	ToolsAuto
	ToolsNone
	ToolsRequired // any of them, or of Names if there are some
)

// ToolChoice is which tools the model may or must call.
type ToolChoice struct {
	Mode  ToolMode
	Names []string // with ToolsAuto and ToolsRequired: only these
}

// FormatKind is the form of an answer's text.
type FormatKind uint8

// The forms.
const (
	FormatUnset FormatKind = iota
	FormatText
	FormatJSON   // a JSON object of any shape
	FormatSchema // JSON that follows Schema
)

// Format is the form that the answer's text must have.
type Format struct {
	Kind              FormatKind
	Name, Description string
	Schema            string // JSON schema
	Strict            *bool
}

// ThinkMode says whether the model is to think before it answers.
type ThinkMode uint8

// The modes.
const (
	ThinkUnset    ThinkMode = iota
	ThinkOff                // not at all, or as little as the model can
	ThinkOn                 // with Effort or Budget if given
	ThinkAdaptive           // as the model sees fit
)

// Reasoning is how much a model is to think, and what is shown of it.
type Reasoning struct {
	Mode    ThinkMode
	Effort  string // none, minimal, low, medium, high, xhigh, max; "" if not said
	Budget  int64  // tokens; 0 if not said
	Summary string // what the client wants to see: "" for the default, "none", "auto", "concise", "detailed"
}

// Finish is why an answer ended.
type Finish uint8

// The reasons.
const (
	FinishUnset    Finish = iota
	FinishStop            // the model was done
	FinishSequence        // a stop sequence came up
	FinishLength          // the limit on output
	FinishContext         // the context window is full
	FinishTools           // the model waits for tools
	FinishFilter          // a content filter, or the model refused
	FinishPause           // the provider paused a long turn, which is to be sent back to go on
	FinishOther           // anything else
)

// Answer is a whole answer to a chat request.
type Answer struct {
	ID      string
	Model   string
	Created time.Time // zero if the dialect does not say
	Choices []Choice
	Usage   Usage
	// HasUsage says that the provider reported Usage.
	HasUsage    bool
	ServiceTier string // the one that was used, in OpenAI's words; "" if not said
	Fingerprint string
}

// Choice is one of an answer's completions.
type Choice struct {
	Index    int
	Parts    []Part
	Finish   Finish
	Stop     string // the stop sequence that came up, where the dialect says
	Reason   string // the provider's own word for Finish
	Logprobs []Logprob
}

// Logprob is one token of the output with its probability.
type Logprob struct {
	Token   string
	Bytes   []byte // nil if not said
	Logprob float64
	Top     []Logprob // alternatives, without their own
}
