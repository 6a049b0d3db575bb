package dialect

import (
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire/cohere"
	"sluice/internal/wire/openai"
)

// MediaUsage reads the usage that an answer about images or sound reports in OpenAI's form. ok is false if it has no tokens.
func MediaUsage(b []byte) (u llm.Usage, ok bool) { return openai.MediaUsage(b) }

// shapeOf returns the protocol of wire/cohere that a dialect is; 0 for the others.
func shapeOf(d llm.Dialect) cohere.Shape {
	switch d {
	case llm.Cohere:
		return cohere.Cohere
	case llm.Voyage:
		return cohere.Voyage
	case llm.Jina:
		return cohere.Jina
	}
	return 0
}

// AdaptEmbed returns an embeddings request as a target of another dialect can express it, and what that leaves out. e is not
// changed. The error is of KindUnsupported, for inputs that the dialect has no form for; another target may have one.
func AdaptEmbed(e *llm.Embed, from, to llm.Dialect) (*llm.Embed, []Note, *llm.Error) {
	out := *e
	var notes []Note
	leave := func(param, reason string) { notes = append(notes, Note{Param: param, Reason: reason}) }
	if to != llm.OpenAI {
		for i := range e.Inputs {
			if e.Inputs[i].Tokens != nil {
				fault := llm.Errorf(llm.KindUnsupported, "input[%d] is an array of tokens, which only targets that speak OpenAI's dialect take; send text", i)
				fault.Param = fmt.Sprintf("input[%d]", i)
				return nil, nil, fault
			}
		}
	}
	if shape := shapeOf(to); e.Task != llm.TaskNone && (to == llm.OpenAI || shape != 0 && !shape.CanTask(e.Task)) {
		leave(taskParam(from), fmt.Sprintf("%s has no word for %s", to, e.Task))
		out.Task = llm.TaskNone
	}
	if e.Title != "" && to != llm.Gemini {
		leave("title", to.String()+" has no titles")
		out.Title = ""
	}
	if e.Truncate != "" && (shapeOf(to) == 0 || to != llm.Cohere && e.Truncate == "start") {
		leave(truncateParam(from), fmt.Sprintf("%s cannot be told to cut at %s", to, e.Truncate))
		out.Truncate = ""
	}
	if e.User != "" && to != llm.OpenAI {
		notes = append(notes, Note{Param: "user", Reason: to.String() + " is not told who asks", Minor: true})
		out.User = ""
	}
	for i := range e.Extra {
		leave(e.Extra[i].Name, "it is a word of "+from.String())
	}
	out.Extra = nil
	return &out, notes, nil
}

func taskParam(from llm.Dialect) string {
	switch from {
	case llm.Gemini:
		return "taskType"
	case llm.Jina:
		return "task"
	}
	return "input_type"
}

func truncateParam(from llm.Dialect) string {
	if from == llm.Voyage {
		return "truncation"
	}
	return "truncate"
}

// AdaptRerank does for a rerank request what AdaptEmbed does for embeddings.
func AdaptRerank(r *llm.Rerank, from, to llm.Dialect) (*llm.Rerank, []Note) {
	out := *r
	var notes []Note
	leave := func(param, reason string) { notes = append(notes, Note{Param: param, Reason: reason}) }
	if r.MaxDocTokens > 0 && to != llm.Cohere {
		leave("max_tokens_per_doc", to.String()+" has no such limit")
		out.MaxDocTokens = 0
	}
	if r.Truncate != "" && to != llm.Voyage {
		leave("truncation", to.String()+" has no such choice")
		out.Truncate = ""
	}
	for i := range r.Extra {
		leave(r.Extra[i].Name, "it is a word of "+from.String())
	}
	out.Extra = nil
	return &out, notes
}
