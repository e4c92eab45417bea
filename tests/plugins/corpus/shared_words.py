# No plugin: what another one imports.
WORDS = ['spam', 'eggs']

def say(what):
    print "saying", what
    return "said %s" % (what,)
