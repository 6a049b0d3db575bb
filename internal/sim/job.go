package sim

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// job is one decoded request, with what all operations share.
type job struct {
	op        llm.Op
	model     string // as asked for
	stream    bool
	usage     bool // the usage chunk was asked for
	eachUsage bool
	input     int64  // tokens of the input
	text      []byte // all input as one text
	said      conversation
	maxTokens int64 // output limit; 0 if none
	choices   int

	stops  []string // stop sequences
	least  int64    // tokens that the answer must have (vLLM's min_tokens)
	full   bool     // the answer goes on to its limit (vLLM's ignore_eos)
	talk   *talk    // of a chat; nil otherwise
	oldMax bool     // the limit was given by OpenAI's old name for it

	strict func(*exchange) *refusal // what the dialect checks once the model is known; nil if nothing
	reply  func(*exchange) error    // answers what is neither chat nor completion; nil for those
	chat   *llm.Chat                // in other dialects than OpenAI's, until the answer begins
	store  bool                     // the answer can be asked for again (Responses)

	prompts   []openai.Input // of a completion
	each      int            // choices for each prompt
	echo      bool
	embedding *embedding
}

// embedding is what an embeddings request asks for, in any dialect.
type embedding struct {
	inputs     []openai.Input
	base64     bool
	dimensions int
}

// Tokens that each message, and the start of the answer, add to a prompt.
const (
	tokensPerMessage = 4
	tokensPerPrompt  = 3
)

// tokensPerMedia is what an image, a file or a sound adds to a prompt, whatever its size.
const tokensPerMedia = 256

// decodeJob reads a request of OpenAI's dialect.
func decodeJob(op llm.Op, body []byte) (*job, *openai.RequestError) {
	switch op {
	case llm.OpChat:
		r, err := openai.DecodeChat(body)
		if err != nil {
			return &job{op: op, model: r.Model}, err
		}
		return chatJob(r), nil
	case llm.OpCompletion:
		r, err := openai.DecodeCompletion(body)
		if err != nil {
			return &job{op: op, model: r.Model}, err
		}
		j := &job{
			op: op, model: r.Model, stream: r.Stream, usage: r.IncludeUsage, eachUsage: r.EachUsage,
			maxTokens: r.MaxTokens, choices: r.Choices * len(r.Prompts), stops: r.Stop, least: r.MinTokens, full: r.IgnoreEOS,
			prompts: r.Prompts, each: r.Choices, echo: r.Echo,
		}
		j.addInputs(r.Prompts)
		return j, nil
	default:
		r, err := openai.DecodeEmbedding(body)
		if err != nil {
			return &job{op: op, model: r.Model}, err
		}
		j := &job{op: op, model: r.Model, choices: 1, embedding: &embedding{r.Inputs, r.Base64, r.Dimensions}, reply: (*exchange).embed}
		j.addInputs(r.Inputs)
		return j, nil
	}
}

func chatJob(r *openai.ChatRequest) *job {
	j := &job{
		op: llm.OpChat, model: r.Model, stream: r.Stream, usage: r.IncludeUsage, eachUsage: r.EachUsage,
		maxTokens: r.MaxTokens, choices: r.Choices, input: tokensPerPrompt, oldMax: r.OldMaxTokens,
		stops: r.Stop, least: r.MinTokens, full: r.IgnoreEOS,
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		j.addMessage(m.Role, m.Name, m.Text)
		for _, c := range m.ToolCalls {
			j.said.call(c.Name)
			j.add(c.Name)
			j.add(string(c.Arguments))
		}
		j.input += int64(m.Parts) * tokensPerMedia
	}
	j.add(string(r.ToolsText))
	j.add(string(r.Format.Schema))
	j.talk = openAITalk(r)
	return j
}

// kind is that of the models that serve the job.
func (j *job) kind() string {
	switch j.op {
	case llm.OpEmbedding:
		return kindEmbedding
	case llm.OpRerank:
		return kindRerank
	case llm.OpModeration:
		return kindModeration
	case llm.OpImage:
		return kindImage
	case llm.OpSpeech:
		return kindSpeech
	case llm.OpTranscription:
		return kindTranscription
	default:
		return kindChat
	}
}

// addMessage counts a message of a chat.
func (j *job) addMessage(role, name, text string) {
	j.input += tokensPerMessage
	j.text = append(append(j.text, role...), 0)
	j.add(name)
	j.add(text)
	j.said.add(role, text)
}

func (j *job) add(text string) {
	j.text = append(append(j.text, text...), '\n')
	j.input += CountTokens(text)
}

func (j *job) addInputs(inputs []openai.Input) {
	for _, in := range inputs {
		if in.Tokens == nil {
			j.add(in.Text)
			j.said.add("user", in.Text)
			continue
		}
		at := len(j.text)
		for _, t := range in.Tokens {
			j.text = append(strconv.AppendInt(j.text, t, 10), ' ')
		}
		j.said.add("user", string(j.text[at:]))
		j.text = append(j.text, '\n')
		j.input += int64(len(in.Tokens))
	}
}

// release lets go of the input, which a stream that runs for minutes has no more use for.
func (j *job) release() {
	j.text, j.said = nil, conversation{}
	j.prompts, j.stops, j.chat, j.strict = nil, nil, nil, nil
	if j.talk != nil {
		j.talk.tools, j.talk.schema = nil, nil
	}
}

// directives are wishes that a prompt can carry, so that a client's test needs no special parameters:
// [[sim:tokens=50]] [[sim:tools=2]] [[sim:say=any text]] [[sim:refuse]] [[sim:redact]].
type directives struct {
	tokens int64 // length of the answer; 0 if not said
	tools  int   // number of tool calls; 0 if not said
	say    string
	said   bool
	refuse bool // the model declines to answer
	redact bool // its thoughts are for the provider's eyes only
}

func readDirectives(prompt string) (d directives) {
	for {
		_, rest, ok := strings.Cut(prompt, "[[sim:")
		if !ok {
			return d
		}
		one, after, ok := strings.Cut(rest, "]]")
		if !ok {
			return d
		}
		prompt = after
		key, value, _ := strings.Cut(one, "=")
		switch n, err := strconv.Atoi(value); {
		case key == "say":
			d.say, d.said = value, true
		case key == "tools" && value == "":
			d.tools = 1
		case key == "refuse":
			d.refuse = true
		case key == "redact":
			d.redact = true
		case err != nil || n < 1:
		case key == "tokens":
			d.tokens = int64(n)
		case key == "tools":
			d.tools = min(n, 32)
		}
	}
}
