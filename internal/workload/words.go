package workload

import "strings"

// The words that prompts are made of. Each is one token after a space in the vocabularies o200k_base and cl100k_base, from
// which those of many other models derive; a test asks the tokenizers. Each pre-tokenizer splits before the space of a
// word, so that words side by side never merge: a text has as many tokens as words, and leading words are leading tokens.

// openers are one token without a space too, so they can begin a text. They have at most four letters.
const openers = `
a am an as at be by do go he if in is it me my no of on or so to up us we act add age ago air all and any are
arm art ask bad bag bar bat bed bee big bit box boy bus but buy can cap car cat cow cry cup cut day did dig dog
dot dry due ear eat egg end eye far few fit fix fly for fox fun gap get got had has hat her hey him his hit hot
how ice its jar job joy key kid lab law lay led leg let lie lip log lot low map may men met mix net new nor not
now nut odd off oil old one our out own pan pay pen pet pie pin pot put ran raw red rim row rub run sad sat say
sea see set she sit six sky son sum sun tap tax tea ten the tie tin tip too top toy try two use van via war was
way web who why win won yes yet you zip able also area away baby back ball band bank base bear beat been bell
belt best bill bird blue boat body bold bone book both boys burn busy cake call came camp card care cart case
cash cast cell chat chef chip city club coal coat code coin cold come cook cool copy corn cost crew crop dark
data date days deal deck deep desk diet dish door down draw drop each earn east easy edge else even ever exit
face fact fair fall farm fast feed feel fell felt file fill film find fine fire firm fish five flag flat flow
fold folk food foot form four free from fuel full fund gain game gate gear gift girl give goal gold gone good
gray grid grow hair half hall hand hang hard have head hear heat help here hero hide high hill hire hold hole
home hope horn host hour idea inch into iron item join jump just keep kind king know lake lamp land lane last
late lead leaf lean left less life lift like lime line link lion list live load loan lock long look loop love
luck made mail main make many mark mass meal mean meet menu mile mind mine mint miss mode moon more most move
much must name near neck need nest news next nice nine none note okay once only onto open oral oven over pace
pack page paid pain pair park part pass past path peak pick pink pipe plan play plot plus pole pond pool port
post pull pure push race rail rain rank rate read real rent rest rice rich ride ring rise risk road rock role
roof room root rose rule rush safe salt same sand save seat seed seek seen self sell send ship shop shot show
side sign sing site size skin slow snow soap soft sold sole some song soon sort spin spot star stay step stop
such sure tail take talk tank task team tell tent term test text than that them then they thin this tile time
tiny tone tool tour town tree trim trip true tube turn type unit upon used very vice view vine visa vote wait
wake walk wall want warm wash wave weak wear week well went were west what when wide wild will wind wine wing
wire wise wish with wolf wood word work yard year your zero zone
`

// followers are one token only after a space, or have five or six letters.
const followers = `
mud oak saw toe wax wet army bath bend blow bowl bulb bush calm cave clay dawn dear deer dirt drum dual dust
duty fear feet foam gave glad goes golf grew harm heal huge jazz kept kite knee knew lady lawn lend loud meat
melt mild milk mood navy neat noon nose oath palm poem poet pump rare rope sail seem shoe silk soil soul soup
stir suit swim tale tall tend tide tune twin vast wage whom wool yoga about above actor adapt admit adopt adult
after again agent agree ahead alarm album alert alike alive allow alone along alter among angle apple apply
arena argue arise aside audio audit avoid award aware badge baker basic basis beach began begin being below
bench birth black blade blame blank blend block bloom board boost bound brain brand brave bread break brick
brief bring broad brown brush build built bunch buyer cabin cable camel candy cargo carry catch cause chain
chair chart cheap check chess chief child choir civil claim class clean clear clerk click cliff climb clock
close cloth cloud coach coast color comic could count court cover craft crane cream cross crowd crown curve
cycle daily dairy dance delay dense depth diary draft drama dream dress drink drive eager early earth eight
elder empty enjoy enter entry equal error event every exact exist extra fault favor feast fence fewer fiber
field fifth fifty final first flame flash fleet float flock floor flour fluid focus force forty found frame
fresh front frost fruit fully giant given glass globe glove going grace grade grain grand grant grape graph
grass great green greet group guard guess guest guide habit happy heart heavy hello hence hobby honey honor
horse hotel house human humor ideal image index inner input issue jewel joint judge juice knife known label
large later laugh layer learn least leave legal lemon level light limit linen local logic loose lower loyal
lucky lunar lunch major maker maple march match maybe mayor medal metal meter might minor mixed model money
month moral motor mount mouse mouth movie music naval never night noble noise north novel nurse ocean offer
often olive onion opera orbit order organ other outer owner paint panel paper party patch pause peace pearl
phase phone photo piano piece pilot pitch place plain plane plant plate point porch pound power press price
pride prime print prize proof proud queen quick quiet quite quote radio raise ranch range rapid ratio reach
react ready relax reply ridge right river roast robot rough round route royal rural salad sauce scale scene
scope score sense serve seven shade shape share sharp sheep sheet shelf shell shift shine shirt shore short
shown sight silly since skill sleep slice slide small smart smile solar solid solve sorry sound south space
spare speak speed spend spoon sport staff stage stair stamp stand start state steam steel stone store storm
story straw study style sugar sunny super sweet table taken taste teach thank their theme there these thick
thing think third those three tiger title toast today token tooth topic total touch tower track trade trail
train treat trend trial tribe truck truly trust truth twice under union unity until upper urban usual value
video visit vital voice waste watch water wheel where which while white whole whose woman world worth would
write wrong yield young youth accept access acting action active actual advice affect afford agency agreed
almost always amount animal annual answer anyone appear around arrive artist aspect assist assume august author
autumn banana basket battle beauty become before behind belong better beyond bishop border borrow bottom branch
breath bridge bright broken bronze bucket budget butter button camera canvas carbon career castle center chance
change charge choice choose church circle client closed coffee column common copper corner cotton county couple
course cousin create credit custom damage dealer debate decade decide defend define degree demand depend design
detail device dinner direct doctor domain double dragon driver during editor effect effort eleven emerge empire
enable energy engine enough ensure entire equity estate expand expect expert export extend fabric factor fairly
family famous farmer father fellow figure finger finish flavor flight flower follow forest formal former fourth
friend frozen future garden gather gentle global golden ground growth guitar handle happen harbor health height
hidden honest horses hunger import income indeed inform inside island itself jacket junior kettle ladder latest
lawyer leader league legacy legend length lesson letter likely linear liquid listen little living lovely luxury
manage manner marble margin marine market master matter medium member memory mental method metric middle mirror
mobile modern modest moment mostly mother motion museum mutual narrow nation native nature nearby nearly needle
nephew normal notice number object obtain office online option orange origin output oxygen palace parade parent
pencil people period permit person phrase planet player please plenty pocket poetry police policy potato prefer
pretty prince profit prompt proper public purple puzzle rabbit random rather reason recall recent record reduce
reform region relate remain remote remove repair repeat report rescue result return review reward rhythm ribbon
salmon sample saving school screen search season second select senior series settle shadow should signal silent
silver simple singer single sister sketch smooth social source speech spirit spread spring square stable statue
status steady stream street string strong studio subtle sudden summer supply switch symbol system talent target
temple tennis theory thirty though thread ticket timber tissue tongue toward travel treaty trying twelve twenty
unable unique unless update useful valley vendor vessel victim viewer violin virtue vision visual volume walnut
warmth wealth weekly weight window winner winter wisdom within wonder wooden worker writer yellow
`

// sentenceEnd is how many of the pieces that can stand at a balance of zero are full stops.
const sentenceEnd = 12

// lexicon holds the pieces that a text can go on with. Steps and invariants:
//  1. The balance of a text is its bytes less four for each of its tokens.
//  2. It stays within -3..0: after each piece, the estimate of a quarter of a token a byte (model.EstimateTokens) is the
//     exact number of tokens, for every prefix of the text.
//  3. So at each balance only some lengths may follow: next[-balance] has them.
type lexicon struct {
	first []string    // that begin a text
	next  [4][]string // with their leading space, by the balance before them, negated
}

func newLexicon() *lexicon {
	x := new(lexicon)
	x.first = strings.Fields(openers)
	words := append(strings.Fields(openers), strings.Fields(followers)...)
	for owed := range x.next {
		for _, w := range words {
			if after := len(w) + 1 - 4 - owed; after >= -3 && after <= 0 {
				x.next[owed] = append(x.next[owed], " "+w)
			}
		}
	}
	for range sentenceEnd {
		x.next[0] = append(x.next[0], ".")
	}
	return x
}
