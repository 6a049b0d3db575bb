package config

import (
	"regexp"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// What LiteLLM says of accounts at clouds, whose credentials are more than a key.

// servedModes are the modes of LiteLLM's models that have an operation here.
func servedModes() []string {
	return []string{
		"", "chat", "completion", "embedding", "responses", "rerank", "moderation", "image_generation", "image_edit", "audio_transcription", "audio_speech",
	}
}

// set adds a setting of the account's kind.
func (a *account) set(key, text string) {
	if text != "" {
		a.settings = append(a.settings, header{key, text})
	}
}

// azure reads the version and, where there is no key, an application of Entra ID.
func (im *importer) azure(a *account, params *sourceNode) {
	version := im.value(params, "api_version")
	a.set("api_version", version.text)
	if version.text == "" {
		im.at(params, Changed, "has no api_version: Azure is asked by its v1 surface, with the deployment's name as the model")
	}
	if a.apiKey == "" {
		a.set("tenant", im.value(params, "tenant_id").text)
		a.set("client_id", im.value(params, "client_id").text)
		a.set("client_secret", im.secret(params, "client_secret").text)
	}
}

// regionOf is a region that LiteLLM takes in front of a model's name.
var regionOf = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)

// bedrockModel takes off what LiteLLM lets stand before the id of a model: a route, and a region.
func bedrockModel(name string, params *sourceNode) string {
	for _, route := range []string{"converse/", "invoke/", "converse_like/"} {
		name = strings.TrimPrefix(name, route)
	}
	if region, rest, ok := strings.Cut(name, "/"); ok && regionOf.MatchString(region) {
		name = rest
		if params.find("aws_region_name") == nil {
			params.members = append(params.members, &member{key: "aws_region_name", pos: params.pos, value: &sourceNode{pos: params.pos, path: params.path, text: region}})
		}
	}
	return name
}

// bedrock reads the keys of AWS and the region.
func (im *importer) bedrock(a *account, params *sourceNode) {
	a.region = im.value(params, "aws_region_name").text
	if a.region == "" {
		a.region = "${AWS_REGION}"
		im.at(params, Changed, "has no aws_region_name: AWS_REGION is named")
	}
	if end := im.value(params, "aws_bedrock_runtime_endpoint"); end.text != "" && a.baseURL == "" {
		a.baseURL = strings.TrimRight(end.text, "/")
	}
	if a.apiKey != "" {
		return
	}
	access, secret := im.secret(params, "aws_access_key_id"), im.secret(params, "aws_secret_access_key")
	if access.text == "" || secret.text == "" {
		access, secret = value{text: "${AWS_ACCESS_KEY_ID}"}, value{text: "${AWS_SECRET_ACCESS_KEY}"}
		im.at(params, Caution, "has no keys of AWS: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are named; profiles, roles and the machine's own identity are not used")
	}
	a.set("access_key", access.text)
	a.set("secret_key", secret.text)
	session := im.secret(params, "aws_session_token")
	if session.text == "" && access.from == nil {
		session.text = "${AWS_SESSION_TOKEN:-}"
	}
	a.set("session_token", session.text)
}

// vertex reads project, location and credentials.
func (im *importer) vertex(a *account, params *sourceNode) {
	project, location := im.value(params, "vertex_project").text, im.value(params, "vertex_location").text
	if project == "" {
		project = "${VERTEXAI_PROJECT}"
		im.at(params, Changed, "has no vertex_project: VERTEXAI_PROJECT is named, which LiteLLM reads by itself")
	}
	if location == "" {
		location = "${VERTEXAI_LOCATION:-us-central1}"
	}
	a.set("project", project)
	a.set("location", location)
	if a.apiKey != "" {
		return
	}
	credentials := im.value(params, "vertex_credentials")
	switch text := credentials.text; {
	case text == "":
		text = "${VERTEXAI_CREDENTIALS}"
		im.at(params, Caution, "has no vertex_credentials: VERTEXAI_CREDENTIALS is named, which must hold the JSON of a credentials file; the machine's own identity is not used")
		a.set("credentials", text)
	case credentials.ref:
		im.at(credentials.from, Changed, "the variable must hold the JSON of a credentials file itself; for the path of one, write ${file:/path}")
		a.set("credentials", text)
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		im.at(credentials.from, Caution, "the secret itself stands in the file; ${file:/path} would keep it out")
		a.set("credentials", text)
	case strings.ContainsAny(text, "${}"):
		im.at(credentials.from, NotTaken, unfit)
		a.set("credentials", "${VERTEXAI_CREDENTIALS}")
	default:
		a.set("credentials", "${file:"+text+"}")
	}
}

// usable asks the owner of the settings whether it would take an account, and reports what it would not. What a reference stands for
// is not judged: something that fits stands in its place.
func (im *importer) usable(a *account, params *sourceNode) bool {
	fits := map[string]string{
		"project": "p", "location": "l", "region": "r", "api_version": "v1", "base_url": "https://set.example",
		"credentials": `{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"}`,
	}
	p := upstream.Provider{Name: a.api, API: a.api}
	all := append([]header{{"base_url", a.baseURL}, {"api_key", a.apiKey}, {"organization", a.org}, {"region", a.region}}, a.settings...)
	for _, s := range all {
		text := s.value
		if strings.Contains(strings.ReplaceAll(text, "$${", ""), "${") {
			if text = fits[s.name]; text == "" {
				text = "x"
			}
		}
		switch {
		case text == "":
		case s.name == "credentials":
			p.Credentials = llm.NewSecret(strings.ReplaceAll(text, "$${", "${"))
		default:
			setKey(&p, s.name, text)
		}
	}
	ok := true
	p.Validate(func(key, message string) {
		ok = false
		im.at(params, NotTaken, key+" "+message)
	})
	return ok
}
