# What Python 2 allowed and Python 3 does not.
import ConfigParser, StringIO, cPickle, commands as shell_commands, string, urllib2
from shared_words import WORDS, say
from starcluster.clustersetup import ClusterSetup

class OldStyle:
    count = 0L
    def next(self): return 1

class OldSyntax(ClusterSetup):
    def __init__(self, level = '0'):
        exec "self.level = int(level)"
    def pair(self, (first, second)):
        return first <> second
    def run(self, nodes, master, user, user_shell, volumes):
        things = {'b': 2, 'a': 1}
        keys = things.keys()
        keys.sort()
        ratio = 7 / 2
        zipped = zip(keys, [things[k] for k in keys])
        order = sorted(zipped, cmp = lambda x, y: cmp(y[1], x[1]))
        cp = ConfigParser.ConfigParser()
        cp.readfp(StringIO.StringIO('[s]\nk = v\n'))
        copy = cPickle.loads(cPickle.dumps(things))
        text = string.join([str(ratio), `order[0]`, cp.get('s', 'k'), str(copy.has_key('a')), str(self.pair((1, 2)))], ';')
        if isinstance(text, basestring) and isinstance(10L, (int, long)) and not isinstance(text, unicode): pass
        words = map(None, WORDS)
        try:
            try: raise ValueError, 'old'
            except ValueError, e: raise RuntimeError, 'older: %s' % e
        except (RuntimeError, IOError), e: text += ';' + str(e)
        mode = 0644
        f = master.ssh.remote_file('/var/tmp/oldsyntax', 'w')
        print >>f, text + ';' + words[0], ; print >>f, say(oct(mode))
        f.chmod(mode)
