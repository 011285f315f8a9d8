"""Names that identify nobody: accounts of many machines, words, and where examples and packages live. Pure."""

from __future__ import annotations

_ACCOUNTS = """
root runner ubuntu debian admin administrator user username users name me you your yourname youruser agent test tester
testuser guest default public shared app node git vscode codespace codespaces vagrant ec2-user centos fedora nobody
daemon www-data jenkins circleci travis gitpod coder openhands devin sandbox workspace work dev developer home
linuxbrew postgres mysql redis nginx build builder buildkite ci deploy docker other someone foo bar baz example demo
service system staff wheel all everyone anonymous swe-agent claude codex copilot nonroot appuser worker oracle steam
pi kali azureuser cloudshell-user jovyan repl repluser runneradmin
"""
ACCOUNTS = frozenset(_ACCOUNTS.split())
"""Accounts that stand on many machines, or in examples: they identify nobody."""

_WORDS = """
access account action active adapter agent align alpha api apply args array art async atom author auth back base batch
beta bill blue body book box branch brand browser buffer bug bytes cache call can card case cat chain change char
chase check child chip chris class clean client clone close cloud code color command commit common compile config
connect const content context control copy core count crash create cursor data date dawn day debug dec default delta
dep desk dig dip dir doc domain drew driver drop echo edge edit element entity enum env error event exec export ext
fail fast feature field file filter find fix flag flow folder font form frame frank free func gene get global go grace
grant graph green group guard handler hash head heap hero holly hook hope host html hub http image import index info
init input int issue item iter ivy jack java job join joy json key kit lance land landing lane layer lib light line
link list lite load local lock log loop mail main major make map mark mask master match matt max may media memory menu
merge meta method micro mike min miles minor mock mod model module monitor native net nick nil node none note null num
object open option order out output owner pack package page panel param parent parse part pass patch path pattern paul
penny pipe plan plain play plugin point pool port post print process prod profile project prompt proto proxy pull push
python query queue random range rank raw ray react read record red ref release remote repo report request reset
resource rest result rich rob robin role rose route row ruby rule run rust sally sample sam scan schema scope script
search section self send server session set shell shift show sign skip sky sort source space spec split stack stage
standard star start state static status step stop store stream string struct style sub suite sum summer sync tab table
tag target task team temp term test text theme thread tick time token tom tool top trace tree type unit update upload
url val value var vector version victor view violet wait walk watch wave web will window word work worker wrap write
zone zip
"""
WORDS = frozenset(_WORDS.split())
"""Names that are words of programs or of English too."""

_FILES = """
py js ts tsx jsx md json toml yaml yml txt html css go rs rb java c h cpp hpp sh lock log exe dll png jpg svg local tgz
gz zip whl patch csv xml ini cfg env conf php swift kt
"""
FILES = frozenset(_FILES.split())
"""Last parts of file names, which are no domains."""

_NOBODY = "git hg noreply no-reply donotreply notifications root postmaster"
NOBODY = frozenset(_NOBODY.split())
"""Mailboxes of programs."""

_COMMON = "password postgres secret admin root user pass mysql redis test guest example changeme"
COMMON_PASSWORDS = frozenset(_COMMON.split())
"""What stands for a password in examples."""

_MACHINES = """
10.0.0.0 10.0.0.1 10.0.2.2 10.0.2.15 192.168.0.0 192.168.0.1 192.168.1.0 192.168.1.1 172.17.0.1 172.17.0.2 172.18.0.1
172.18.0.2 172.16.0.0 172.16.0.1 8.8.8.8 8.8.4.4 1.1.1.1 9.9.9.9 169.254.169.254
"""
MACHINES = frozenset(_MACHINES.split())
"""Addresses that stand on many machines, or are everybody's."""

_PEOPLE = """
Robin Kim Alex Sasha Jamie Noor Remy Toni Kerry Ariel Dana Mika Jules Sidney Marlow Quinn Rowan Skyler Tatum Emery
Lennox Shiloh Blair Arden
"""
FIRST_NAMES = tuple(_PEOPLE.split())
_FAMILIES = """
Halvorsen Brandt Okafor Lindqvist Moreau Tanaka Castellan Whitlock Ferreira Novak Adeyemi Sorensen Kovacs Dunmore
Petrossian Ilves Marchetti Ostrov Vandermeer Yilmaz Thackeray Rasmussen Quintero Abernathy
"""
LAST_NAMES = tuple(_FAMILIES.split())
"""What people are called in what leaves."""
