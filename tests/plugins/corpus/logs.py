# The log in all its forms.
import logging
import starcluster.logger
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log, console, INFO, DEBUG


class Logs(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        level = console.level
        log.info('a raw line of logs', extra=dict(__raw__=True))
        log.info('one word on a ', extra={'__raw__': True, '__nonewline__': True})
        log.info('line of logs', extra={'__raw__': True})
        log.info('wrapped ' * 12, extra=dict(__textwrap__=True))
        log.info('two\nlines of logs', extra=dict(__nosplitlines__=True))
        log.warn('a warning of logs')
        log.error('an error of logs')
        console.setLevel(DEBUG)
        log.debug('a debug line of logs')
        console.setLevel(INFO)
        log.debug('not on the console')
        console.setLevel(level)
        starcluster.logger.log.log(logging.INFO, 'by number, of logs')
