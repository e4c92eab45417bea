"""Who may mount what, by exports(5)."""

from starcluster.localcloud.hosts.exports import names_by_address, parse, permitted

NAMES = names_by_address("172.31.0.11 node001 node001.ec2.internal\n172.31.0.12 mynode # a comment\n")


def may(table: str, path: str, address: str) -> str | None:
    found = permitted(parse(table)[0], path, address, NAMES)
    return None if found is None else "ro" if found.read_only else "rw"


def test_a_named_client_gets_its_own_options() -> None:
    table = "/home node001(rw,async,no_root_squash) mynode(ro)\n"
    assert may(table, "/home", "172.31.0.11") == "rw"
    assert may(table, "/home", "172.31.0.12") == "ro"
    assert may(table, "/home", "172.31.0.13") is None


def test_read_only_is_the_default() -> None:
    assert may("/home *", "/home", "172.31.0.11") == "ro"
    assert may("/home", "/home", "172.31.0.11") == "ro"


def test_clients_may_be_addresses_networks_and_patterns() -> None:
    assert may("/home 172.31.0.0/16(rw)", "/home", "172.31.0.99") == "rw"
    assert may("/home 172.31.0.0/255.255.0.0(rw)", "/home", "172.31.0.99") == "rw"
    assert may("/home 10.0.0.0/8(rw)", "/home", "172.31.0.99") is None
    assert may("/home 172.31.0.11(rw)", "/home", "172.31.0.11") == "rw"
    assert may("/home node*(rw)", "/home", "172.31.0.11") == "rw"
    assert may("/home node*(rw)", "/home", "172.31.0.12") is None
    assert may("/home MYNODE(rw)", "/home", "172.31.0.12") == "rw"


def test_directories_below_an_export_are_exported_but_not_beside_it() -> None:
    assert may("/home *(rw)", "/home/ubuntu", "172.31.0.11") == "rw"
    assert may("/home *(rw)", "/homes", "172.31.0.11") is None
    assert may("/ *(rw)", "/anything", "172.31.0.11") == "rw"


def test_the_deepest_export_decides() -> None:
    assert may("/data *(rw)\n/data/old *(ro)", "/data/old/x", "172.31.0.11") == "ro"


def test_quotes_continuations_comments_and_default_options() -> None:
    table = '# shared\n"/my data" -rw,sync \\\n  node001 mynode(ro)\n'
    assert may(table, "/my data", "172.31.0.11") == "rw"
    assert may(table, "/my data", "172.31.0.12") == "ro"


def test_a_relative_path_is_complained_about() -> None:
    exports, complaints = parse("home *(rw)\n/data *(rw)\n")
    assert [one.path for one in exports] == ["/data"]
    assert len(complaints) == 1
    assert "home" in complaints[0]


def test_one_address_may_have_names_on_several_lines() -> None:
    names = names_by_address("10.0.0.1 a\n10.0.0.1 b c\n\nmalformed\n")
    assert names == {"10.0.0.1": frozenset("abc")}
